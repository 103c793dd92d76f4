"""What plain processes cannot honour: every key of a run config that asks for it is named. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.config.grammars import parse_secret
from workloads.errors import Problem, RunConfigError
from workloads.model import ProxyMode, TransportType
from workloads.runtimes.process.command import NPX, UVX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config import PermissionProfile, RunConfig

__all__ = ("REFUSED_KEYS", "refusals")

_ENGINE = "local processes are not isolated; install Docker or Podman and run it there"
_LIMITS = "local processes cannot be limited; install Docker or Podman and run it there"

REFUSED_KEYS = {
    "isolate_network": _ENGINE,
    "allow_docker_gateway": "no container has a gateway here; leave it out, or run it on Docker or Podman",
    "volumes": "local processes see every file of this user, where it is; leave it out, or run it on Docker or Podman",
    "publish": "local processes open their ports themselves; leave it out, or run it on Docker or Podman",
    "memory": _LIMITS,
    "cpus": _LIMITS,
    "pids": _LIMITS,
    "user": "local processes run as this user; install Docker or Podman and run it there",
    "pull": "no image is fetched for a local process; leave it out, or run it on Docker or Podman",
    "env_file_dir": "variables are not read from files here; put them into env_vars, or into secrets",
    "k8s_pod_template_patch": "there is no pod; leave it out, or run it on Kubernetes",
}
"""Keys that are refused whatever they ask for, mostly what only a container engine or a cluster has, and why."""
_MAX_REPLICAS = 32
_SHARED_NETWORKS = ("", "bridge", "default", "host")


def refusals(config: RunConfig) -> list[Problem]:
    """Every key of a run config that this runtime cannot honour.

    Args:
        config: What would be run.
    """
    return [
        *_program(config),
        *_transport(config),
        *(Problem(key, why) for key, why in REFUSED_KEYS.items() if getattr(config, key)),
        *_profile(config),
        *_secrets(config),
        *_build(config),
        *_scaling(config),
    ]


def _program(config: RunConfig) -> Iterator[Problem]:
    image, command = config.image, config.command
    scheme = next((scheme for scheme in (UVX, NPX) if image.startswith(scheme)), "")
    if scheme:
        package = image.removeprefix(scheme)
        if not package or package.startswith("-"):
            yield Problem("image", f"{scheme} must be followed by the name of a package, got {image!r}")
        if command:
            yield Problem("command", f"the image names the program already; leave it out, or leave out {image!r}")
    elif image:
        yield Problem(
            "image",
            f"{image!r} needs a container engine: install Docker or Podman and run it there;"
            f" local processes take {UVX}PACKAGE, {NPX}PACKAGE, or no image and a command",
        )
    elif not command and not config.remote_url:
        yield Problem("command", f"must name a program, as there is no image ({UVX}PACKAGE and {NPX}PACKAGE work too)")
    if not scheme and command and "/" in command[0] and not command[0].startswith("/"):
        yield Problem(
            "command[0]",
            f"must be an absolute path or a name on PATH, since each server has its own working folder,"
            f" got {command[0]!r}",
        )


def _transport(config: RunConfig) -> Iterator[Problem]:
    if config.transport is TransportType.INSPECTOR:
        yield Problem("transport", "the inspector cannot be run here; use stdio, sse or streamable-http")
    if config.transport is TransportType.STDIO and config.effective_proxy_mode is ProxyMode.SSE:
        yield Problem("proxy_mode", "the bridge to a stdio server speaks streamable-http only; leave it out")


def _profile(config: RunConfig) -> Iterator[Problem]:
    try:
        profile = config.effective_permission_profile
    except RunConfigError as error:  # it names a file
        yield from error.problems
        return
    key = "permission_profile" if config.permission_profile is not None else "permission_profile_name_or_path"
    if profile.privileged:
        yield Problem(f"{key}.privileged", "local processes have the rights of this user; leave it out")
    for mount in ("read", "write"):
        if getattr(profile, mount):
            yield Problem(f"{key}.{mount}", REFUSED_KEYS["volumes"])
    yield from _network(profile, f"{key}.network")


def _network(profile: PermissionProfile, key: str) -> Iterator[Problem]:
    network = profile.network
    if network is not None and network.mode not in _SHARED_NETWORKS:
        yield Problem(f"{key}.mode", f"{network.mode!r}: {_ENGINE}")
    outbound = None if network is None else network.outbound
    if outbound is None or not outbound.insecure_allow_all:
        yield Problem(
            f"{key}.outbound",
            "local processes reach every address, which is not allowed here: install Docker or Podman and run it there,"
            " or allow it (profile 'network', or insecure_allow_all)",
        )
    if network is not None and network.inbound is not None and network.inbound.allow_host:
        yield Problem(f"{key}.inbound.allow_host", _ENGINE)


def _secrets(config: RunConfig) -> Iterator[Problem]:
    for index, text in enumerate(config.secrets):
        if parse_secret(text).target.startswith("/"):
            yield Problem(f"secrets[{index}]", "secrets are files in containers only; target an environment variable")


def _build(config: RunConfig) -> Iterator[Problem]:
    build = config.runtime_config
    if build is None:
        return
    for key in ("builder_image", "additional_packages"):
        if getattr(build, key):
            yield Problem(f"runtime_config.{key}", "no image is built for a local process; run it on Docker or Podman")
    if build.build_with and not config.image.startswith(UVX):
        yield Problem("runtime_config.build_with", f"works with an image {UVX}PACKAGE only; leave it out")


def _scaling(config: RunConfig) -> Iterator[Problem]:
    count = config.effective_backend_replicas
    if count is not None and not 0 <= count <= _MAX_REPLICAS:
        key = "backend_replicas" if config.backend_replicas is not None else "scaling_config.backend_replicas"
        yield Problem(key, f"local processes run up to {_MAX_REPLICAS} replicas, or 0, got {count}")
    elif count is not None and count > 1 and config.target_port and config.transport is not TransportType.STDIO:
        yield Problem("target_port", f"{count} replicas cannot share a port; leave it out, and each gets a free one")
