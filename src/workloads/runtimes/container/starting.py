"""Starting a container: the one of last time if it is still right, else a new one."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from workloads._core.logtail import last_lines
from workloads.errors import PortInUseError, StateError, WorkloadFailedError
from workloads.runtimes.container.attachment import attach
from workloads.runtimes.container.labels import SCOPE
from workloads.runtimes.container.leftovers import remove_container
from workloads.runtimes.container.replica import ContainerReplica
from workloads.runtimes.container.request import LOOPBACK
from workloads.runtimes.container.ways import close_way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads.errors import WorkloadsError
    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.container.request import ContainerRequest
    from workloads.runtimes.container.ways import Way
    from workloads.runtimes.process.log import RotatingLog
    from workloads.runtimes.protocol import Owner

__all__ = ("published_port", "started")

_TAKEN = ("port is already allocated", "address already in use")


def started(
    engine: Engine, owner: Owner, name: str, request: ContainerRequest, index: int, *, way: Way, image: str, log: Path
) -> ContainerReplica:
    """Start a container; one that cannot be started is removed again.

    Args:
        engine: Where it shall run.
        owner: Whose it is.
        name: The workload.
        request: What to create, unless it is there.
        index: Its number within the workload, from 0.
        way: How it is connected.
        image: The id of its image.
        log: Where its output goes.

    Raises:
        PortInUseError: A port that it shall publish is taken.
        WorkloadFailedError: It could not be started, or ended at once.
        RuntimeUnavailableError: The engine does not answer.
        InsecureStateError: The folder of its log belongs to or can be written by someone else.
        StateError: Its log cannot be made.
    """
    file = _opened(log)
    try:
        container = _prepared(engine, owner, name, request, image)
    except BaseException:
        file.close()
        raise
    try:
        replica = _run(engine, owner, name, request, container, index, way, file)
    except WorkloadFailedError as error:
        remove_container(engine, name, container)
        raise _understood(error, request) from error
    if replica.address is None and not request.stdio:
        ended = replica.stop(0.0)
        logs = last_lines(log, request.secrets.values())
        raise WorkloadFailedError(name, f"{ended} before it was ready", logs=logs)
    return replica


def published_port(container: Mapping[str, Any], port: int) -> int:
    """The port of this machine at which a port of a container is published; 0 when it is not, or it does not run.

    Args:
        container: What the engine tells of it.
        port: The port in the container.
    """
    published: Mapping[str, Any] = container.get("NetworkSettings", {}).get("Ports") or {}
    bindings = published.get(f"{port}/tcp") or ()
    return next((int(binding["HostPort"]) for binding in bindings if binding.get("HostPort")), 0)


def _opened(log: Path) -> RotatingLog:
    from workloads._core.files import secure_folder
    from workloads.runtimes.process.log import RotatingLog

    secure_folder(log.parent)
    try:
        return RotatingLog(log)
    except OSError as error:
        raise StateError(log, f"cannot be opened: {error.strerror}") from error


def _prepared(engine: Engine, owner: Owner, name: str, request: ContainerRequest, image: str) -> str:
    """A container that does not run: that of last time if it is still right, else a new one.

    Returns:
        Its id.
    """
    present = _present(engine, name, request.name)
    if present is not None:
        labels: Mapping[str, str] = present["Config"].get("Labels") or {}
        if labels.get(SCOPE) != owner.scope:
            reason = f"a container named {request.name!r} exists that is not this workload's; remove or rename it"
            raise WorkloadFailedError(name, reason)
        if not present["State"].get("Running") and request.matches(present, image):
            return str(present["Id"])
        remove_container(engine, name, str(present["Id"]))
    with engine.client("cannot create its container", name=name) as client:
        return str(client.create_container_from_config(request.document(), request.name)["Id"])


def _present(engine: Engine, name: str, container: str) -> dict[str, Any] | None:
    from docker.errors import NotFound

    with engine.client("cannot look for its container", name=name) as client:
        try:
            return client.inspect_container(container)
        except NotFound:
            return None


def _run(
    engine: Engine,
    owner: Owner,
    name: str,
    request: ContainerRequest,
    container: str,
    index: int,
    way: Way,
    log: RotatingLog,
) -> ContainerReplica:
    try:
        attachment = attach(engine, container, log, workload=name, stdio=request.stdio)
    except BaseException:
        log.close()
        raise
    port = request.port
    try:
        with engine.client("cannot start its container", name=name) as client:
            client.start(container)
            if request.published:
                port = published_port(client.inspect_container(container), request.port)
    except BaseException:
        attachment.abandon()
        raise
    kept = bool(owner.scope)  # without one nobody would find it again
    return ContainerReplica(
        engine,
        container,
        attachment,
        workload=name,
        index=index,
        address=way.address or ((LOOPBACK, port) if port else None),
        kept=kept,
        companions=way.companions,
        after=functools.partial(close_way, engine, owner, name, way, kept=kept),
    )


def _understood(error: WorkloadFailedError, request: ContainerRequest) -> WorkloadsError:
    """The error, in the words of this library where the engine means one that it has; without secrets."""
    reason = error.reason
    for secret in sorted(filter(str.strip, request.secrets.values()), key=len, reverse=True):
        reason = reason.replace(secret, "***")
    if any(words in reason for words in _TAKEN) and (match := re.search(r"([0-9.]+):([0-9]+)", reason)):
        return PortInUseError(match[1], int(match[2]))
    return WorkloadFailedError(error.name, reason, logs=error.logs)
