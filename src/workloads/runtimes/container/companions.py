"""Containers that are there for one server only, watched while it runs."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from workloads.errors import WorkloadsError
from workloads.runtimes.container.faults import faults
from workloads.runtimes.ping import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workloads.runtimes.container.engine import Engine

__all__ = ("Companions",)

_log = logging.getLogger(__name__)

_DOING = "cannot wait for the gateway of its network"
_REQUEST = (
    "POST /containers/{id}/wait?condition=not-running HTTP/1.1\r\n"
    "Host: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)
_TIMEOUT = 60.0
_RETRY = 0.2
_LONGEST_RETRY = 5.0
_ANSWERED = (200, 404)
"""It does not run any more, or is not there any more."""


class Companions:
    """Tells when one of some containers ends by itself.

    A daemon thread for each waits for that. The SDK waits without a way to stop it, so the request is made here. While
    the engine is away nothing is known of a container, so it is asked for again.
    """

    def __init__(
        self, engine: Engine, containers: Iterable[str], *, workload: str, ended: Callable[[], object]
    ) -> None:
        """Begin to watch.

        Args:
            engine: Where they are.
            containers: Their ids.
            workload: Whose they are.
            ended: Called by another thread when the first of them has ended; never after :meth:`close`.
        """
        self._engine = engine
        self._workload = workload
        self._ended = ended
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        for container in containers:
            name = f"workloads-gateway-{workload}"
            threading.Thread(target=self._watch, args=(container,), name=name, daemon=True).start()

    def close(self) -> None:
        """Watch no longer. Idempotent, from any thread."""
        with self._lock:
            self._over.set()
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the engine has closed it
                    connection.shutdown(socket.SHUT_RDWR)

    def _watch(self, container: str) -> None:
        delay = _RETRY
        while not self._over.is_set():
            try:
                if self._has_ended(container):
                    break
            except WorkloadsError as error:
                _log.warning("gateway not seen", extra={"workload": self._workload, "reason": str(error)})
            self._over.wait(delay)
            delay = min(delay * 2, _LONGEST_RETRY)
        with self._lock:
            first = not self._over.is_set()
            self._over.set()
        if first:
            self.close()
            self._ended()

    def _has_ended(self, container: str) -> bool:
        """Wait until a container has ended. Returns False when the engine went before.

        Raises:
            WorkloadsError: The engine does not answer.
        """
        with faults(self._engine.name, self._engine.url, _DOING), connect(self._engine.url, _TIMEOUT) as connection:
            with self._lock:
                if self._over.is_set():
                    return False
                self._connections.add(connection)
            try:
                connection.sendall(_REQUEST.format(id=container).encode())
                connection.settimeout(None)
                return _answered(connection)
            finally:
                with self._lock:
                    self._connections.discard(connection)


def _answered(connection: socket.socket) -> bool:
    """Whether the engine says that it does not run."""
    try:
        with HTTPResponse(connection, method="POST") as answer:
            answer.begin()  # Docker sends the head at once, and the rest when it has ended
            return answer.status in _ANSWERED and isinstance(json.loads(answer.read()), dict)
    except (OSError, HTTPException, ValueError):
        return False
