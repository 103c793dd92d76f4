"""Starting and stopping the two containers of a gateway."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.attachment import connected
from workloads.runtimes.container.frames import FrameReader
from workloads.runtimes.container.gateway.settings import READY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.runtimes.container.engine import Engine

__all__ = ("start_gateway", "stop_gateway")

_DOING = "cannot start the gateway of its network"
_CHUNK = 4096
_STOP_GRACE = 2
_TOLD_OF_A_FAILURE = 20
_SETTLING = 10.0


def start_gateway(engine: Engine, name: str, containers: Sequence[str]) -> None:
    """Start them, unless they run, and wait until they listen.

    Args:
        engine: Where they are.
        name: The workload.
        containers: Their ids.

    Raises:
        WorkloadFailedError: One does not start.
        RuntimeUnavailableError: The engine does not answer.
    """
    _at_once(lambda container: _start(engine, name, container), containers)


def stop_gateway(engine: Engine, name: str, containers: Sequence[str]) -> None:
    """Stop them; those that are gone do not matter.

    Args:
        engine: Where they are.
        name: The workload.
        containers: Their ids.

    Raises:
        WorkloadFailedError: The engine cannot.
        RuntimeUnavailableError: It does not answer.
    """
    _at_once(lambda container: _stop(engine, name, container), containers)


def _start(engine: Engine, name: str, container: str) -> None:
    deadline = time.monotonic() + _SETTLING
    while not _runs(engine, name, container):
        told = _first_words(engine, name, container)
        if READY in told.splitlines():
            return
        if not _runs(engine, name, container) or time.monotonic() > deadline:
            logs = told.decode("utf-8", "replace").splitlines()[-_TOLD_OF_A_FAILURE:]
            raise WorkloadFailedError(name, "the gateway of its network does not start", logs=logs)
        # Podman loses the connection to one that ended by itself a moment ago, and what it says with it.
        _stop(engine, name, container)


def _runs(engine: Engine, name: str, container: str) -> bool:
    with engine.client(_DOING, name=name) as client:
        return bool(client.inspect_container(container)["State"].get("Running"))


def _first_words(engine: Engine, name: str, container: str) -> bytes:
    """Start one. Returns what it says until it is ready, or has ended."""
    reader, told = FrameReader(), b""
    with engine.client(_DOING, name=name) as client, connected(engine, container, workload=name) as output:
        client.start(container)
        while READY not in told.splitlines() and (data := output.recv(_CHUNK)):
            told += b"".join(frame.data for frame in reader.feed(data))
    return told


def _stop(engine: Engine, name: str, container: str) -> None:
    from docker.errors import NotFound

    with engine.client("cannot stop the gateway of its network", name=name) as client:
        try:
            client.stop(container, timeout=_STOP_GRACE)
        except NotFound:
            return


def _at_once(work: Callable[[str], None], containers: Sequence[str]) -> None:
    if containers:
        with ThreadPoolExecutor(len(containers), thread_name_prefix="workloads-gateway") as pool:
            for outcome in [pool.submit(work, container) for container in containers]:
                outcome.result()
