"""The two containers that lead into and out of an isolated network, as requests to an engine. Pure.

The *door* has the network that the server gets: nothing but loopback. The *egress* is on the managed network. See
:mod:`workloads.runtimes.container.gateway`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs

from workloads.config.grammars import parse_publish
from workloads.errors import Problem
from workloads.runtimes.container.gateway.policy import Policy
from workloads.runtimes.container.gateway.settings import (
    DNS_PORT,
    DOOR,
    EGRESS,
    FOLDER,
    PROXY_PORT,
    Settings,
    arguments,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from workloads.config import RunConfig

__all__ = (
    "Sidecar",
    "Sidecars",
    "gateway_settings",
    "isolated_environment",
    "needs_gateway",
    "refusals",
    "sidecar_names",
    "sidecars",
)

_LOOPBACK = "127.0.0.1"
_MEMORY = 128 * 2**20
_PIDS = 64
_LOG_CONFIG = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
_HARDENED = {
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "ReadonlyRootfs": True,
    "Memory": _MEMORY,
    "MemorySwap": _MEMORY,
    "PidsLimit": _PIDS,
    "RestartPolicy": {"Name": "no"},
    "LogConfig": _LOG_CONFIG,
    # Both listen on ports below 1024 without a right to do so.
    "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
}


@attrs.frozen
class Sidecar:
    """One of the two containers.

    Attributes:
        name: Its name.
        body: The request of the engine's API. Nothing in it is secret.
        digest: What tells it from one that was created from something else.
    """

    name: str
    body: Mapping[str, Any]
    digest: str


@attrs.frozen
class Sidecars:
    """The containers that lead into and out of one server's network.

    Attributes:
        volume: The name of the volume that the two share.
        egress: The one on the managed network.
        door: The one in the server's network.
    """

    volume: str
    egress: Sidecar
    door: Sidecar


def needs_gateway(config: RunConfig, *, port: int) -> bool:
    """Whether anything leads into or out of an isolated server's network.

    Args:
        config: What shall run.
        port: The port that the server listens on; 0 for none.
    """
    outbound = _outbound(config)
    allowed = outbound.allow_all or outbound.hosts or outbound.ports or outbound.engine_host
    return bool(allowed or port or config.publish)


def refusals(config: RunConfig) -> Iterator[Problem]:
    """What cannot be isolated of what a run config asks for.

    Args:
        config: What would be run.
    """
    taken = {PROXY_PORT: "its way out", DNS_PORT: "its resolver"}
    if config.effective_isolate_network:
        if config.target_port in taken:
            yield Problem("target_port", f"{config.target_port} of an isolated server is {taken[config.target_port]}")
        for index, text in enumerate(config.publish):
            if (port := parse_publish(text).container) in taken:
                yield Problem(f"publish[{index}]", f"{port} of an isolated server is {taken[port]}")


def isolated_environment() -> dict[str, str]:
    """The environment variables that lead an isolated server out, which is through a proxy on its loopback."""
    proxy, near = f"http://{_LOOPBACK}:{PROXY_PORT}", "localhost,127.0.0.1,::1"
    return {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), near),
    }


def gateway_settings(config: RunConfig, *, port: int, refused: Iterable[str] = ()) -> Settings:
    """What may pass.

    Args:
        config: What shall run.
        port: The port that the server listens on; 0 for none.
        refused: Addresses of this machine, which may not be reached though they are public.
    """
    network = config.effective_permission_profile.network
    inbound = None if network is None else network.inbound
    published = {parse_publish(text).container for text in config.publish}
    return Settings(
        EGRESS,
        _outbound(config)._replace(refused=tuple(refused)),
        tuple(sorted({*published, port} - {0})),
        () if inbound is None else inbound.allow_host,
    )


def sidecar_names(container: str) -> tuple[str, str]:
    """The names of the egress and the door of a server, which are those that ToolHive knows.

    Args:
        container: The name of the server's container.
    """
    return f"{container}-egress", f"{container}-ingress"


def sidecars(
    config: RunConfig,
    settings: Settings,
    *,
    container: str,
    network: str,
    image: str,
    labels: Mapping[str, str],
) -> Sidecars:
    """The two containers of a server.

    Args:
        config: What shall run.
        settings: What may pass.
        container: The name of the server's container.
        network: The managed network.
        image: The gateway's image.
        labels: What both are labelled with.
    """
    volume = f"{container}-gateway"
    egress, ingress = sidecar_names(container)
    shared = [{"Type": "volume", "Source": volume, "Target": FOLDER}]
    bindings: dict[str, list[dict[str, str]]] = {
        f"{port}/tcp": [{"HostIp": _LOOPBACK, "HostPort": ""}] for port in settings.ports
    }
    for published in map(parse_publish, config.publish):
        if published.host:
            chosen = {"HostIp": _LOOPBACK, "HostPort": str(published.host)}
            bindings[f"{published.container}/tcp"].append(chosen)
    outside = {"NetworkMode": network, "PortBindings": bindings}
    inside = {"NetworkMode": "none", "Dns": [_LOOPBACK]}
    door = settings._replace(role=DOOR, policy=Policy(), names=())
    return Sidecars(
        volume,
        _sidecar(egress, settings, image, labels, {**outside, "Mounts": shared}),
        _sidecar(ingress, door, image, labels, {**inside, "Mounts": shared}),
    )


def _sidecar(
    name: str, settings: Settings, image: str, labels: Mapping[str, str], host_config: Mapping[str, Any]
) -> Sidecar:
    body: dict[str, Any] = {
        "Image": image,
        "Cmd": arguments(settings),
        "AttachStdout": False,
        "HostConfig": {**_HARDENED, **host_config},
        "Labels": dict(labels),
    }
    if bindings := host_config.get("PortBindings"):
        body["ExposedPorts"] = {key: {} for key in bindings}
    text = json.dumps([name, body], sort_keys=True, separators=(",", ":"))
    return Sidecar(name, body, hashlib.sha256(text.encode()).hexdigest())


def _outbound(config: RunConfig) -> Policy:
    network = config.effective_permission_profile.network
    outbound = None if network is None else network.outbound
    if outbound is None:
        return Policy(engine_host=config.allow_docker_gateway)
    return Policy(
        allow_all=outbound.insecure_allow_all,
        hosts=outbound.allow_host,
        ports=outbound.allow_port,
        engine_host=config.allow_docker_gateway,
    )
