"""The container runtimes: Docker and Podman, over the one API that both speak."""
