"""A real ASGI server in a thread, and the plainest of clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Address:
    """Where a server listens: a port of this machine, or a socket file."""

    port: int = 0
    path: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if self.path is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.path))
        return connection

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, target, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


@contextlib.contextmanager
def serving(app: Any, path: Path | None = None) -> Generator[Address, None, None]:
    """Serve an application until the end of the block."""
    listener = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
    listener.bind(("127.0.0.1", 0) if path is None else str(path))
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, log_config=None, lifespan="on", loop="asyncio", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, args=([listener],), name="the server of a test")
    thread.start()
    try:
        assert started.wait(20), "the server has not started"
        yield Address(listener.getsockname()[1] if path is None else 0, path)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
