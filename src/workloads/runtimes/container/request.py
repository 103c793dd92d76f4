"""What is asked of an engine to create the container of a server. Pure: a run config in, a request out."""

from __future__ import annotations

import hashlib
import json
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import attrs

from workloads.config.grammars import parse_publish
from workloads.model import TransportType
from workloads.runtimes.container.labels import DIGEST, LAUNCH, labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config import RunConfig
    from workloads.runtimes.protocol import Owner

__all__ = ("LOOPBACK", "TARGET_PORT", "ContainerRequest", "container_name", "container_request")

LOOPBACK = "127.0.0.1"
"""Where ports are published: for this machine only."""
TARGET_PORT = 8080
"""The port of an HTTP server in its container, unless the run config says."""

_EVERYWHERE = "0.0.0.0"  # noqa: S104  # of the container, so that the engine can reach it
_HOST = "host"
_LOG_CONFIG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
_SCOPE_LENGTH = 8


@attrs.frozen(kw_only=True)
class ContainerRequest:
    """A container to be created.

    Attributes:
        name: Its name.
        body: The request of the engine's API, without what is secret.
        secrets: Secret environment variables: name and value.
        port: The port in the container that an HTTP server listens on; 0 for a stdio server.
        published: Whether that port is published; else it is one of this machine.
        stdio: Whether its input and output are for its proxy.
        digest: What tells it from one that was created from something else. Nothing in it is secret.
    """

    name: str
    body: Mapping[str, Any] = attrs.field(repr=False)
    secrets: Mapping[str, str] = attrs.field(repr=False)
    port: int
    published: bool
    stdio: bool
    digest: str

    def document(self) -> dict[str, Any]:
        """The whole body, secrets included: for the engine's eyes only."""
        return {**self.body, "Env": [*self.body["Env"], *assignments(self.secrets)]}

    def matches(self, container: Mapping[str, Any], image_id: str) -> bool:
        """Whether a container that is there was created from the same.

        Args:
            container: What the engine tells of it.
            image_id: What the image is by now.
        """
        config: Mapping[str, Any] = container["Config"]
        labels: Mapping[str, str] = config.get("Labels") or {}
        environ = frozenset(config.get("Env") or ())
        same = labels.get(DIGEST) == self.digest and container.get("Image") == image_id
        return same and environ.issuperset(assignments(self.secrets))


def container_name(config: RunConfig, owner: Owner, index: int) -> str:
    """The name of a server's container; no two of one engine have the same.

    Args:
        config: The run config. Its ``container_name`` is used as it is, for the first copy.
        owner: Whose it is.
        index: Its number within the workload, from 0.
    """
    if config.container_name:
        return config.container_name if not index else f"{config.container_name}.{index}"
    # Read from its end it is without doubt, whatever dots the workload's name has.
    return f"{config.effective_base_name}.{index}.{owner.scope[:_SCOPE_LENGTH] or token_hex(_SCOPE_LENGTH // 2)}"


def container_request(
    config: RunConfig,
    owner: Owner,
    index: int,
    *,
    secrets: Mapping[str, str],
    host_config: Mapping[str, Any],
    host_port: int = 0,
    publishes: bool = True,
    environ: Mapping[str, str] | None = None,
) -> ContainerRequest:
    """The request for one copy of a workload's server.

    The engine never starts it again by itself: that is for the proxy runner, which knows whether it shall be.

    Args:
        config: What to run.
        owner: Whose it is.
        index: Its number within the workload, from 0.
        secrets: Resolved secrets: environment variable and value.
        host_config: What confines it, and its network, in the words of the engine's API.
        host_port: The port to listen on where the network is that of this machine; 0 for any other network.
        publishes: Whether ports are published by this container; else another one leads to them. Default: True.
        environ: Further environment variables, which those of the run config go before. Default: none.
    """
    stdio = config.transport is TransportType.STDIO
    port = 0 if stdio else (host_port or config.target_port or TARGET_PORT)
    published = bool(port) and publishes and host_config.get("NetworkMode") != _HOST
    name = container_name(config, owner, index)
    variables = {**(environ or {}), **_variables(config, port, published=published)}
    bindings = _bindings(config, port if published else 0) if publishes else {}
    body: dict[str, Any] = {
        "Image": config.image,
        "Env": assignments({key: value for key, value in variables.items() if key not in secrets}),
        "OpenStdin": stdio,
        "StdinOnce": stdio,
        "AttachStdin": stdio,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": {"RestartPolicy": {"Name": "no"}, "LogConfig": _LOG_CONFIG, **host_config},
    }
    if config.command:
        body["Entrypoint"] = list(config.command)
    if config.cmd_args:
        body["Cmd"] = list(config.cmd_args)
    if config.user:
        body["User"] = config.user
    if bindings:
        body["ExposedPorts"] = {key: {} for key in bindings}
        body["HostConfig"]["PortBindings"] = bindings
    body["Labels"] = labels_of(config, owner, container=name, index=index)
    digest = _digest(name, body, sorted(secrets))
    body["Labels"] |= {DIGEST: digest, LAUNCH: owner.launch_id}
    return ContainerRequest(
        name=name, body=body, secrets=dict(secrets), port=port, published=published, stdio=stdio, digest=digest
    )


def assignments(variables: Mapping[str, str]) -> list[str]:
    """Environment variables as the engine's API takes them, sorted."""
    return [f"{name}={value}" for name, value in sorted(variables.items())]


def _variables(config: RunConfig, port: int, *, published: bool) -> dict[str, str]:
    """The environment of the server, but for its secrets. Later ones win: MCP variables, runtime_env, env_vars."""
    variables = {"MCP_TRANSPORT": config.transport.value}
    if port:
        host = _EVERYWHERE if published else LOOPBACK
        variables |= {"MCP_PORT": str(port), "FASTMCP_PORT": str(port), "MCP_HOST": host, "FASTMCP_HOST": host}
    if config.runtime_config is not None:
        variables.update(config.runtime_config.runtime_env)
    return {**variables, **config.env_vars}


def _bindings(config: RunConfig, port: int) -> dict[str, list[dict[str, str]]]:
    """Which ports are published, and where: the server's own at a free port, for its proxy."""
    bindings: dict[str, list[dict[str, str]]] = {}
    if port:
        bindings[f"{port}/tcp"] = [{"HostIp": LOOPBACK, "HostPort": ""}]
    for text in config.publish:
        published = parse_publish(text)
        binding = {"HostIp": LOOPBACK, "HostPort": str(published.host) if published.host else ""}
        bindings.setdefault(f"{published.container}/tcp", []).append(binding)
    return bindings


def _digest(name: str, body: Mapping[str, Any], secrets: list[str]) -> str:
    text = json.dumps([name, body, secrets], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
