"""What a container engine cannot honour: every key of a run config that asks for it is named. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import Problem
from workloads.model import TransportType
from workloads.runtimes.container.gateways import refusals as isolation_refusals
from workloads.runtimes.container.hardening import confinement
from workloads.runtimes.container.secret_files import refusals as secret_refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config import RunConfig

__all__ = ("refusals",)

_PACKAGES = ("uvx://", "npx://")
_MAX_REPLICAS = 32


def refusals(config: RunConfig) -> list[Problem]:
    """Every key of a run config that this runtime cannot honour.

    Args:
        config: What would be run.
    """
    return [
        *_image(config),
        *_others(config),
        *_network(config),
        *_scaling(config),
        *isolation_refusals(config),
        *secret_refusals(config),
        *confinement(config)[1],
    ]


def _image(config: RunConfig) -> Iterator[Problem]:
    image = config.image
    if image.startswith(_PACKAGES):
        yield Problem(
            "image", f"{image!r} names a package, of which no image is built here; name an image, or use process"
        )
    elif not image:
        yield Problem("image", "must name an image; a program of this machine is run by the runtime process")
    elif any(character.isspace() for character in image):
        yield Problem("image", f"expected the reference of an image, got {image!r}")


def _others(config: RunConfig) -> Iterator[Problem]:
    if config.transport is TransportType.INSPECTOR:
        yield Problem("transport", "the inspector cannot be run here; use stdio, sse or streamable-http")
    if config.target_host not in ("", "127.0.0.1", "localhost"):
        yield Problem("target_host", "ports of containers are published on 127.0.0.1 only; leave it out")
    if config.env_file_dir:
        yield Problem("env_file_dir", "variables are not read from files here; put them into env_vars, or into secrets")
    if config.k8s_pod_template_patch:
        yield Problem("k8s_pod_template_patch", "there is no pod; leave it out, or run it on Kubernetes")
    for name in (*config.env_vars, *(config.runtime_config.runtime_env if config.runtime_config is not None else ())):
        if not name or "=" in name or "\0" in name:
            yield Problem("env_vars", f"{name!r} cannot be the name of an environment variable")
    build = config.runtime_config
    for key in ("builder_image", "additional_packages", "build_with"):
        if build is not None and getattr(build, key):
            yield Problem(f"runtime_config.{key}", "no image is built here; leave it out")


def _network(config: RunConfig) -> Iterator[Problem]:
    profile = config.permission_profile
    mode = profile.network.mode if profile is not None and profile.network is not None else ""
    path = "permission_profile.network.mode"
    if mode == "none" and (config.transport is not TransportType.STDIO or config.publish):
        yield Problem(path, "without a network only a stdio server can be reached; leave it out, or isolate_network")
    if mode.startswith("container:"):
        yield Problem(path, f"{mode!r}: a server does not share the network of another container; leave it out")
    if mode == "host" and config.publish:
        yield Problem("publish", "ports of the network of this machine are open already; leave it out")


def _scaling(config: RunConfig) -> Iterator[Problem]:
    count = config.effective_backend_replicas
    key = "backend_replicas" if config.backend_replicas is not None else "scaling_config.backend_replicas"
    if count is not None and not 0 <= count <= _MAX_REPLICAS:
        yield Problem(key, f"one machine runs up to {_MAX_REPLICAS} replicas, or 0, got {count}")
    elif count is not None and count > 1:
        for index, text in enumerate(config.publish):
            if ":" in text and not text.startswith("0:"):
                yield Problem(f"publish[{index}]", f"{count} replicas cannot share a port of this machine: {text!r}")
