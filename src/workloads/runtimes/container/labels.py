"""The labels by which a container is known as one of a workload's. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads._core.paths import DEFAULT_APP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config import RunConfig
    from workloads.runtimes.protocol import Owner

__all__ = ("DIGEST", "LAUNCH", "REPLICA", "SCOPE", "Keys", "label", "labels_of", "replica_of", "selector")

REPLICA = "workloads.replica"
"""Which copy of the server it is, from 0."""
SCOPE = "workloads.scope"
"""Whose state folder it belongs to."""
LAUNCH = "workloads.launch"
"""During which start of the workload it was created."""
DIGEST = "workloads.digest"
"""What it was created from, secrets left out."""


class Keys:
    """The keys that ToolHive has too, which are its own in an application folder of ToolHive.

    Attributes:
        mark: Tells, with the value ``true``, that it is managed.
        name: The container's name.
        base_name: The workload.
        transport: How the server talks.
        port: The port of the proxy.
        isolation: Whether its network is isolated.
        auxiliary: Tells, with the value ``true``, that it only serves another container.
    """

    def __init__(self, app: str) -> None:
        """The keys of an application folder.

        Args:
            app: Whose folder it is.
        """
        self.mark = "workloads" if app == DEFAULT_APP else app
        prefix = f"{self.mark}." if app == DEFAULT_APP else f"{self.mark}-"
        self.name = f"{prefix}name"
        self.base_name = f"{prefix}basename"
        self.transport = f"{prefix}transport"
        self.port = f"{prefix}port"
        self.isolation = f"{prefix}network-isolation"
        self.auxiliary = f"{prefix}auxiliary-workload"


def labels_of(config: RunConfig, owner: Owner, *, container: str, index: int) -> dict[str, str]:
    """The labels of a server's container, whenever it is created. Those of the run config are among them.

    Args:
        config: The run config.
        owner: Whose it is.
        container: The container's name.
        index: Its number within the workload, from 0.
    """
    keys = Keys(owner.app)
    # Nobody would see a server that said it only serves another container.
    own = {key: value for key, value in config.container_labels.items() if key != keys.auxiliary}
    return {
        **own,
        keys.mark: "true",
        keys.name: container,
        keys.base_name: config.effective_base_name,
        keys.transport: config.transport.value,
        keys.port: str(config.port),
        keys.isolation: str(config.effective_isolate_network).lower(),
        REPLICA: str(index),
        SCOPE: owner.scope,
    }


def label(described: Mapping[str, Any], key: str) -> str:
    """A label of something that an engine describes; empty when it does not have it.

    Args:
        described: What has ``Labels``, which are null when there are none.
        key: The label's key.
    """
    labels: Mapping[str, str] = described.get("Labels") or {}
    return labels.get(key, "")


def replica_of(described: Mapping[str, Any]) -> int:
    """The number of the replica that something is of which an engine describes; 0 when it does not tell.

    Args:
        described: What has ``Labels``, which are null when there are none.
    """
    number = label(described, REPLICA)
    return int(number) if number.isdecimal() else 0


def selector(owner: Owner, name: str = "") -> list[str]:
    """What the labels of the containers of an application folder have in common, as filters.

    Args:
        owner: Whose they are.
        name: Only those of this workload; empty is all.
    """
    return [f"{SCOPE}={owner.scope}", *([f"{Keys(owner.app).base_name}={name}"] if name else [])]
