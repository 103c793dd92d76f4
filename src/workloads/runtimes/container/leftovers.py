"""Ending and removing the containers of a workload, whoever started them."""

from __future__ import annotations

import math
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from workloads.runtimes.container.labels import Keys, label, replica_of
from workloads.runtimes.container.listing import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import APIClient

    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.protocol import Owner

__all__ = ("end_containers", "remove_container", "remove_containers")

_LIVING = ("running", "paused", "restarting")
_AT_ONCE = 8
_BUSY = "device or resource busy"
"""What Podman says where a process that ends still holds a mount of the container (containers/podman#11594)."""
_TRIES, _PAUSE = 10, 0.2
"""How often that is tried, and the seconds between."""


def end_containers(engine: Engine, owner: Owner, name: str, grace: float) -> None:
    """End every container of a workload that lives.

    Args:
        engine: Where they are.
        owner: Whose they are.
        name: The workload.
        grace: Seconds that they get to end by themselves.

    Raises:
        WorkloadFailedError: The engine cannot end one.
        RuntimeUnavailableError: The engine does not answer.
    """

    def end(container: Mapping[str, Any]) -> None:
        _end(engine, name, container, grace)

    _each(end, [each for each in listed(engine, owner, name) if str(each.get("State", "")).lower() in _LIVING])


def remove_containers(engine: Engine, owner: Owner, name: str, *, first: int = 0) -> None:
    """Remove every container of a workload, and the unnamed volumes that were made for it.

    Args:
        engine: Where they are.
        owner: Whose they are.
        name: The workload.
        first: Leave those of the replicas alone whose number is less. Default: 0, none is.

    Raises:
        WorkloadFailedError: The engine cannot remove one.
        RuntimeUnavailableError: The engine does not answer.
    """
    auxiliary = Keys(owner.app).auxiliary
    found = [each for each in listed(engine, owner, name) if replica_of(each) >= first]
    # A server may share the network of its gateway, which not every engine removes before it.
    for last in (False, True):
        some = [each for each in found if (label(each, auxiliary) == "true") is last]
        _each(lambda each: remove_container(engine, name, str(each["Id"])), some)


def remove_container(engine: Engine, name: str, container: str) -> None:
    """Remove a container, whatever it does; one that is gone, or being removed by somebody else, is left to that.

    Args:
        engine: Where it is.
        name: The workload.
        container: Its id.

    Raises:
        WorkloadFailedError: The engine cannot remove it.
        RuntimeUnavailableError: The engine does not answer.
    """
    from docker.errors import APIError

    with engine.client("cannot remove its container", name=name) as client:
        for _ in range(_TRIES - 1):
            try:
                _remove(client, container)
            except APIError as error:
                if _BUSY not in str(error.explanation):
                    raise
            else:
                return
            time.sleep(_PAUSE)
        _remove(client, container)


def _remove(client: APIClient, container: str) -> None:
    from docker.errors import APIError, NotFound

    try:
        client.remove_container(container, v=True, force=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409 or "already in progress" not in str(error.explanation):
            raise


def _end(engine: Engine, name: str, container: Mapping[str, Any], grace: float) -> None:
    from docker.errors import APIError, NotFound

    number = str(container["Id"])
    with engine.client("cannot end its container", name=name) as client:
        try:
            if str(container.get("State", "")).lower() == "paused":
                client.unpause(number)
            client.stop(number, timeout=math.ceil(max(grace, 0.0)))
        except NotFound:
            return
        except APIError:
            # It may have ended by itself between.
            if client.inspect_container(number)["State"].get("Running"):
                raise


def _each(work: Callable[[Mapping[str, Any]], None], containers: list[dict[str, Any]]) -> None:
    """Do some work for each, side by side, and to the end; then raise the first error.

    In plain threads, for pools take no work any more while the interpreter waits for the last threads of a program.
    """
    if len(containers) < 2:
        for container in containers:
            work(container)
        return
    left, lock, errors = list(reversed(containers)), Lock(), list[BaseException]()

    def run() -> None:
        while True:
            with lock:
                if not left:
                    return
                container = left.pop()
            try:
                work(container)
            except BaseException as error:  # noqa: BLE001  # it is the caller's
                errors.append(error)

    threads = [Thread(target=run, name="workloads-containers") for _ in range(min(len(containers), _AT_ONCE))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
