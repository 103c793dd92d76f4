"""What an engine knows of containers, by one call however many there are. The reading is pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.runtimes.container.labels import Keys, replica_of, selector
from workloads.runtimes.protocol import Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.protocol import Owner

__all__ = ("listed", "sightings")


def listed(engine: Engine, owner: Owner, name: str = "") -> list[dict[str, Any]]:
    """The containers of an owner, as the engine lists them, whether they run or not.

    Args:
        engine: Where they are.
        owner: Whose they are.
        name: Only those of this workload; empty is all.

    Raises:
        RuntimeUnavailableError: The engine does not answer.
    """
    with engine.client("cannot list containers") as client:
        return client.containers(all=True, filters={"label": selector(owner, name)})


def sightings(containers: Iterable[Mapping[str, Any]], app: str) -> list[Sighting]:
    """The servers among these containers; others, such as those that only serve another container, are passed over.

    Args:
        containers: As the engine lists them.
        app: The application whose labels count.
    """
    keys = Keys(app)
    found: list[Sighting] = []
    for container in containers:
        labels: Mapping[str, str] = container.get("Labels") or {}
        workload = labels.get(keys.base_name, "")
        if not workload or labels.get(keys.auxiliary, "").lower() == "true":
            continue
        found.append(
            Sighting(
                workload=workload,
                index=replica_of(container),
                container=str(container.get("Id", "")),
                state=str(container.get("State", "")).lower(),
                detail=str(container.get("Status", "")),
            )
        )
    return found
