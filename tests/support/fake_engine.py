"""A container engine that can only say that it lives."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCKER = b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nServer: Docker/26.1 (linux)\r\nContent-Length: 2\r\n\r\nOK"
PODMAN = (
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\nServer: Libpod/4.3.1 (linux)\r\n"
    b"Content-Length: 2\r\n\r\nOK"
)


class FakeEngine:
    """What is asked of it, and how often.

    Attributes:
        url: Where it listens.
        requests: The first line of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []


@contextlib.contextmanager
def serving(answer: bytes | Callable[[str], bytes] | None, *, path: Path | None = None) -> Iterator[FakeEngine]:
    """Answer every request with these bytes, or never when there are none.

    Args:
        answer: The answer, or what makes it of the first line of the request.
        path: The socket; without it a TCP port of this machine.
    """
    if path is None:
        server = socket.create_server(("127.0.0.1", 0))
        engine = FakeEngine(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        engine = FakeEngine(f"unix://{path}")
    held: list[socket.socket] = []
    ended = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            request = connection.recv(4096)
            if not request:  # the farewell below, or somebody who only knocked
                connection.close()
                if ended.is_set():
                    return
                continue
            first = request.partition(b"\r\n")[0].decode()
            engine.requests.append(first)
            if answer is None:
                held.append(connection)
                continue
            connection.sendall(answer if isinstance(answer, bytes) else answer(first))
            connection.close()

    thread = threading.Thread(target=serve, name="fake-engine")
    thread.start()
    try:
        yield engine
    finally:
        ended.set()
        with socket.socket(server.family) as farewell:
            farewell.connect(server.getsockname())
        thread.join()
        for connection in (server, *held):
            connection.close()


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short: that of a socket may have about a hundred characters only."""
    folder = Path(tempfile.mkdtemp(prefix="w-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
