"""Asking the proxy runner of a workload, at its operator's socket, to keep it awake or to let it sleep. Blocks."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any

from workloads.errors import (
    UnsupportedOperationError,
    WorkloadFailedError,
    WorkloadInUseError,
    WorkloadNotReadyError,
)
from workloads.proxyrunner.control.awake import AWAKE_PATH
from workloads.proxyrunner.control.client import connect, hold_target
from workloads.proxyrunner.control.usage import Usage

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator
    from pathlib import Path

    from workloads.managers.inventory import Inventory

__all__ = ("hold", "sleep", "usage")

_PATIENCE = 60.0
_SLEEP_PATIENCE = 300.0
_SHORTEST_PATIENCE = 0.001
_OK, _DONE, _CONFLICT = 200, 204, 409


class _Connection(http.client.HTTPConnection):
    """HTTP on the Unix socket of a proxy runner's operator."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("control", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock: socket.socket = connect(self._path)
        # At least a moment, for 0 would mean not to wait for anything that the socket does.
        self.sock.settimeout(None if self.timeout is None else max(self.timeout, _SHORTEST_PATIENCE))


@contextlib.contextmanager
def hold(
    inventory: Inventory, name: str, *, owner: str, reason: str, timeout: float | None
) -> Generator[socket.socket]:
    """Keep a workload awake: it is ready when this is entered, and may sleep again when this is left.

    The hold ends with this process, too, however that ends.

    Args:
        inventory: Who knows the workload.
        name: The workload.
        owner: Who holds.
        reason: What for.
        timeout: Seconds it may take to be ready; None for as long as it takes.

    Yields:
        The connection to the proxy runner, which can be read from when that ends.

    Raises:
        WorkloadNotFoundError: There is no such workload.
        WorkloadNotReadyError: It was not ready in time.
        WorkloadFailedError: It does not run, or could not be woken.
    """
    with _asked(inventory, name, "POST", hold_target(owner, reason), timeout) as (connection, answer):
        if answer.status != _OK:
            raise WorkloadFailedError(name, _said(answer).get("detail", "its proxy runner refuses"))
        yield connection.sock


def sleep(inventory: Inventory, name: str) -> None:
    """Put a workload to sleep now. Does nothing when it sleeps already.

    Raises:
        WorkloadNotFoundError: There is no such workload.
        WorkloadInUseError: Somebody uses it.
        UnsupportedOperationError: It never sleeps.
        WorkloadFailedError: It does not run, or could not be put to sleep.
    """
    with _asked(inventory, name, "DELETE", AWAKE_PATH, _SLEEP_PATIENCE) as (_, answer):
        if answer.status == _DONE:
            return
        said = _said(answer)
        if answer.status == _CONFLICT and "users" in said:
            raise WorkloadInUseError(name, said["users"])
        if answer.status == _CONFLICT:
            raise UnsupportedOperationError(f"putting {name!r} to sleep", said["detail"])
        raise WorkloadFailedError(name, said.get("detail", "its proxy runner refuses"))


def usage(inventory: Inventory, name: str) -> Usage:
    """Why a workload is awake.

    Raises:
        WorkloadNotFoundError: There is no such workload.
        WorkloadFailedError: It does not run.
    """
    with _asked(inventory, name, "GET", AWAKE_PATH, _PATIENCE) as (_, answer):
        return Usage.from_dict(_said(answer))


@contextlib.contextmanager
def _asked(
    inventory: Inventory, name: str, method: str, target: str, timeout: float | None
) -> Generator[tuple[_Connection, http.client.HTTPResponse]]:
    workload = inventory.get(name)
    connection = _Connection(inventory.paths.control_socket(name), timeout)
    try:
        try:
            connection.request(method, target)
            answer = connection.getresponse()
        except TimeoutError:
            workload = inventory.get(name)
            raise WorkloadNotReadyError(
                name, waited=timeout or 0.0, status=workload.status, status_context=workload.status_context
            ) from None
        except (OSError, http.client.HTTPException) as error:
            status = inventory.get(name).status
            raise WorkloadFailedError(name, f"its proxy runner does not answer, the workload is {status}") from error
        yield connection, answer
    finally:
        connection.close()


def _said(answer: http.client.HTTPResponse) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(answer.read())
    except ValueError:
        return {}
    return document
