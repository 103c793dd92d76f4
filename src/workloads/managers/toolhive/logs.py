"""The output of a container that ``thv`` made, as the engine keeps it."""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from workloads._core.streams import ClosingStream
from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.faults import faults
from workloads.runtimes.container.frames import FrameReader
from workloads.runtimes.ping import connect

if TYPE_CHECKING:
    from workloads.managers.toolhive.container import Container
    from workloads.runtimes.container.engine import Engine

__all__ = ("ContainerLines",)

_DOING = "cannot read the output of its container"
_REQUEST = (
    "GET /containers/{id}/logs?stdout=1&stderr=1&follow={follow:d}&tail={tail} HTTP/1.1\r\n"
    "Host: localhost\r\nConnection: close\r\n\r\n"
)
_TIMEOUT = 60.0
_CHUNK = 64 * 1024
_OK = 200


class ContainerLines(ClosingStream[str]):
    """A stream of lines, of both outputs in the order in which the engine got them.

    An engine answers a request to follow when there is something to tell, and the SDK waits for that without a way to
    stop it; so the request is made here.
    """

    def __init__(self, engine: Engine, container: Container, *, follow: bool, lines: int | None) -> None:
        """Ask for them.

        Args:
            engine: Where the container is.
            container: The container.
            follow: Whether to wait for more until the container ends.
            lines: How many lines that are there already; None is all.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        super().__init__()
        self._workload = container.workload
        self._frames = FrameReader()
        self._answer: HTTPResponse | None = None
        self._begun = b""
        self._whole: list[bytes] = []
        request = _REQUEST.format(id=container.id, follow=follow, tail="all" if lines is None else lines)
        with faults(engine.name, engine.url, _DOING):
            self._connection = connect(engine.url, _TIMEOUT)
            self._connection.sendall(request.encode())
            self._connection.settimeout(None if follow else _TIMEOUT)

    def _next(self) -> str | None:
        while not self._whole:
            data = self._received()
            if not data:
                self._whole, self._begun = [self._begun] if self._begun else [], b""
                break
            for frame in self._frames.feed(data):
                *whole, self._begun = (self._begun + frame.data).split(b"\n")
                self._whole += whole
        return self._whole.pop(0).decode(errors="replace").removesuffix("\r") if self._whole else None

    def _received(self) -> bytes:
        """What came next; nothing at the end."""
        try:
            if self._answer is None:
                self._answer = HTTPResponse(self._connection, method="GET")
                self._answer.begin()
            if self._answer.status == _OK:
                return self._answer.read1(_CHUNK)
            told = self._answer.read().decode(errors="replace").strip()
        except (OSError, HTTPException):
            return b""  # the engine has gone, or the stream was closed
        raise WorkloadFailedError(self._workload, f"{_DOING}: {told}")

    def _interrupt(self) -> None:
        with contextlib.suppress(OSError):  # the engine has closed it
            self._connection.shutdown(socket.SHUT_RDWR)

    def _free(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._connection.close()
