"""Containers that ``thv`` made, as an engine lists them. Pure: no I/O.

The labels, and what follows from each, are those of ToolHive (``pkg/labels/labels.go``).
"""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from workloads._core.paths import TOOLHIVE
from workloads.config import check_workload_name
from workloads.errors import InvalidNameError
from workloads.managers.view import user_labels
from workloads.model import TransportType
from workloads.runtimes.container.events import changed_container
from workloads.runtimes.container.labels import SCOPE, Keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = (
    "EXTERNAL_NETWORK", "SELECTOR", "Container", "by_workload", "changed_workload", "read_container", "sidecars_of",
)  # fmt: skip

SELECTOR = f"{TOOLHIVE}=true"
"""The label that all of them have."""
EXTERNAL_NETWORK = f"{TOOLHIVE}-external"
"""The network of all that are not isolated, and of sidecars."""

_KEYS = Keys(TOOLHIVE)
_SIDECARS = ("egress", "ingress", "dns")


@attrs.frozen(kw_only=True)
class Container:
    """One container of ``thv``'s.

    Attributes:
        engine: Where it is: ``docker`` or ``podman``.
        id: Its id.
        name: Its name.
        workload: The workload that it serves.
        auxiliary: Whether it is a sidecar, which only serves another container.
        transport: How the server talks.
        port: The port of the workload's proxy; 0 when the labels do not tell.
        isolated: Whether its network is isolated; without a label that says so it counts as isolated.
        state: ``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited`` or ``dead``.
        detail: What the engine says of it, for people.
        image: Its image.
        command: Its command, as far as the engine tells.
        created_at: When it was created, UTC.
        labels: Those that the user gave.
    """

    engine: str
    id: str
    name: str
    workload: str
    auxiliary: bool
    transport: TransportType
    port: int
    isolated: bool
    state: str
    detail: str
    image: str
    command: tuple[str, ...]
    created_at: datetime
    labels: Mapping[str, str]

    @property
    def internal_network(self) -> str:
        """The network that it has alone when it is isolated."""
        return f"{TOOLHIVE}-{self.name}-internal"


def read_container(engine: str, listed: Mapping[str, Any]) -> Container | None:
    """A container from the list of an engine; None when it is not one that ``thv`` made.

    Args:
        engine: Which engine.
        listed: The entry of the list.
    """
    labels: Mapping[str, str] = listed.get("Labels") or {}
    names = listed.get("Names") or [""]
    name = str(names[0]).lstrip("/")
    workload = _workload_of(labels, name)
    if not workload:
        return None
    port = labels.get(_KEYS.port, "")
    return Container(
        engine=engine,
        id=str(listed["Id"]),
        name=name,
        workload=workload,
        auxiliary=labels.get(_KEYS.auxiliary, "").lower() == "true",
        transport=_transport(labels.get(_KEYS.transport, "")),
        port=int(port) if port.isdecimal() and int(port) <= 65535 else 0,
        isolated=labels.get(_KEYS.isolation, "true").lower() != "false",
        state=str(listed.get("State", "")).lower(),
        detail=str(listed.get("Status", "")),
        image=str(listed.get("Image", "")),
        command=_words(listed.get("Command")),
        created_at=_created(listed.get("Created")),
        labels=user_labels(labels),
    )


def changed_workload(event: Mapping[str, Any]) -> str:
    """The workload that an event of an engine is about; empty when it tells nothing new of one.

    Args:
        event: The event.
    """
    about = changed_container(event)
    auxiliary = about.get(_KEYS.auxiliary, "").lower() == "true"
    return "" if auxiliary else _workload_of(about, about.get("name", ""))


def by_workload(containers: Iterable[Container]) -> dict[str, Container]:
    """The container of each workload; of several, one that runs.

    Args:
        containers: All of them; sidecars are passed over.
    """
    found: dict[str, Container] = {}
    for container in containers:
        if container.auxiliary:
            continue
        present = found.get(container.workload)
        if present is None or (present.state != "running" and container.state == "running"):
            found[container.workload] = container
    return found


def sidecars_of(container: Container, containers: Iterable[Container]) -> list[Container]:
    """The sidecars of a container: on its engine, of its name, and marked as such.

    A workload of somebody's may be called ``x-dns`` and is none of the sidecars of ``x``.

    Args:
        container: The container.
        containers: All of them.
    """
    if not container.isolated:
        return []
    names = {f"{container.name}-{kind}" for kind in _SIDECARS}
    return [each for each in containers if each.auxiliary and each.engine == container.engine and each.name in names]


def _workload_of(labels: Mapping[str, str], container: str) -> str:
    """The workload that a container serves; empty when it is not one that ``thv`` made."""
    if labels.get(_KEYS.mark, "").lower() != "true" or SCOPE in labels:
        return ""
    workload = labels.get(_KEYS.base_name) or labels.get(_KEYS.name) or container
    # Anybody may label a container, and files are named after workloads.
    return workload if _is_name(workload) else ""


def _is_name(text: str) -> bool:
    try:
        check_workload_name(text)
    except InvalidNameError:
        return False
    return True


def _transport(text: str) -> TransportType:
    try:
        return TransportType(text)
    except ValueError:
        return TransportType.SSE  # what ToolHive takes it for


def _words(command: object) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(str(command or "")))
    except ValueError:  # the engine shortens it
        return (str(command),)


def _created(seconds: object) -> datetime:
    return datetime.fromtimestamp(seconds if isinstance(seconds, int | float) else 0, UTC)
