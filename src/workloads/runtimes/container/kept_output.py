"""What an engine keeps of the output of a container, read again where a connection to it was lost."""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from workloads.runtimes.container.faults import faults
from workloads.runtimes.container.frames import FrameReader
from workloads.runtimes.ping import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.container.frames import Frame

__all__ = ("KeptOutput",)

_REQUEST = (
    "GET /containers/{id}/logs?stdout=1&stderr=1&follow={follow:d}&since={since:.6f} HTTP/1.1\r\n"
    "Host: localhost\r\nConnection: close\r\n\r\n"
)
_TIMEOUT = 60.0
_CHUNK = 64 * 1024
_OK = 200


class KeptOutput:
    """Both outputs of a container since a moment, read by one thread and ended from any.

    An engine answers a request to follow when there is something to tell, and the SDK waits for that without a way to
    stop it; so the request is made here.
    """

    def __init__(self, engine: Engine, container: str, *, since: float, follow: bool) -> None:
        """Ask for it.

        Args:
            engine: Where the container is.
            container: Its id.
            since: The moment, in seconds since the epoch.
            follow: Whether to wait for more until the container ends.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        doing = "cannot read the output of its container"
        with faults(engine.name, engine.url, doing):
            self._connection = connect(engine.url, _TIMEOUT)
        try:
            with faults(engine.name, engine.url, doing):
                self._connection.sendall(_REQUEST.format(id=container, follow=follow, since=since).encode())
        except BaseException:
            self._connection.close()
            raise
        self._connection.settimeout(None if follow else _TIMEOUT)

    def pieces(self) -> Iterator[Frame]:
        """Piece after piece, until the end, or the engine goes, or has no such container."""
        frames = FrameReader()
        with contextlib.suppress(OSError, HTTPException), HTTPResponse(self._connection, method="GET") as answer:
            answer.begin()
            while answer.status == _OK and (data := answer.read1(_CHUNK)):
                yield from frames.feed(data)

    def interrupt(self) -> None:
        """End it, while it is read, too. Idempotent."""
        with contextlib.suppress(OSError):  # it is closed already
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection.close()
