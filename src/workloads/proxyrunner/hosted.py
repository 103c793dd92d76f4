"""A proxy runner as an ASGI application, inside a server that somebody else runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from workloads.errors import WorkloadsError
from workloads.proxyrunner.asgi import CONNECTION, respond
from workloads.proxyrunner.body import has_body
from workloads.proxyrunner.replies import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from workloads.proxyrunner.asgi import Application, Message, Receive, Scope, Send

__all__ = ("Hosted", "HostedConnection")

_WITH_BODY = ("PATCH", "POST", "PUT")


class HostedConnection:
    """A client of a foreign server, as far as ASGI tells of it. Implements ``ClientConnection``.

    Args:
        receive: The ASGI callable of the server.
        body: Whether the request has a body, which is then to be read first.
    """

    arrived = done = False

    def __init__(self, receive: Receive, *, body: bool) -> None:
        """A client that has sent a request."""
        self._receive = receive
        self._gone = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.lost = False
        self.severed = False
        """Whether the response must not look whole."""
        self.on_lost: Callable[[], object] | None = None
        if not body:
            self._watch()

    def cut(self) -> None:
        """End the exchange without ending the response."""
        self.severed = True
        self._gone.set()

    abort = cut

    async def receive(self) -> Message:
        """The next message; after the body, that the client has gone or the exchange was cut."""
        if self._watching is not None or self.severed:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.lost = True
        elif not message.get("more_body", False):
            self._watch()
        return message

    def passage(self, send: Send) -> None:
        """None: the server around us takes nothing but messages."""

    async def close(self) -> None:
        """The exchange is over: look no more."""
        self.on_lost = None
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    def _watch(self) -> None:
        self._watching = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.lost = True
        self._gone.set()
        if self.on_lost is not None:
            self.on_lost()


class Hosted:
    """The ASGI application. It starts and ends the runner with the server's lifespan, unless that runs already.

    Args:
        runner: The runner.
        entered: Tells whether it has been started already.
        front: What answers to clients of a port of the server; None while the runner does not serve.
    """

    def __init__(
        self,
        runner: AbstractAsyncContextManager[object],
        *,
        entered: Callable[[], bool],
        front: Callable[[int], Application | None],
    ) -> None:
        """Prepare to serve."""
        self._runner = runner
        self._entered = entered
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan.

        Raises:
            ConnectionAbortedError: The response must not look whole; the server then closes the connection.
        """
        match scope["type"]:
            case "lifespan":
                await self._live(receive, send)
            case "http":
                await self._serve(scope, receive, send)
            case _:
                await receive()
                await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        ours = not self._entered()
        try:
            if ours:
                await self._runner.__aenter__()
        except WorkloadsError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            if ours:
                await self._runner.__aexit__(None, None, None)
        except WorkloadsError as error:
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        server: tuple[str, int | None] | None = scope.get("server")
        front = self._front((server[1] if server else None) or 0)
        if front is None:
            await respond(send, unavailable("The workload does not run"))
            return
        headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        version: str = scope.get("http_version", "1.1")
        if scope["method"] in _WITH_BODY and not version.startswith("1") and not has_body(headers):
            # Since HTTP/2 a body needs no header to tell of it (RFC 9113, section 8.1). This one goes no further.
            headers.append((b"transfer-encoding", b"chunked"))
        connection = HostedConnection(receive, body=has_body(headers))
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            ours = {**scope, **_paths(scope), "headers": headers, CONNECTION: connection}
            await front(ours, connection.receive, noting_send)
        finally:
            await connection.close()
        if connection.severed and not connection.lost:
            if not begun:
                # A server makes an error of its own of what has not begun, which must not be taken for an answer.
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            raise ConnectionAbortedError("the exchange was cut off")


def _paths(scope: Scope) -> dict[str, object]:
    """The paths of a request below the place where the application is mounted."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or quote(path).encode()
    if root and path.startswith(root):
        path = path[len(root) :] or "/"
        encoded = quote(root).encode()
        raw = (raw[len(encoded) :] if raw.startswith(encoded) else quote(path).encode()) or b"/"
    return {"path": path, "raw_path": raw, "root_path": "", "scheme": scope.get("scheme", "http")}
