"""The few ASGI types and helpers that every part of the proxy uses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from workloads.proxyrunner.replies import Reply

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers: TypeAlias = list[tuple[bytes, bytes]]

__all__ = ("CONNECTION", "ClientConnection", "ClientGoneError", "Passage", "cut", "follow", "header", "respond")

CONNECTION = "workloads.connection"
"""The key of the scope under which the listener puts the :class:`ClientConnection`."""


class ClientConnection(Protocol):
    """The client's side of an exchange, as far as ASGI cannot express it."""

    lost: bool
    """Whether the client has gone."""

    done: bool
    """Whether the whole response has been written, as far as is known."""

    arrived: bool
    """Whether the whole request has come, so that nothing is to be waited for."""

    on_lost: Callable[[], object] | None
    """Called once, on the loop, when the client goes during the exchange."""

    def cut(self) -> None:
        """Send what is written, then close the connection without ending the response."""
        ...

    def abort(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        ...

    def passage(self, send: Send) -> Passage | None:
        """Where the body of a response that has begun can go on without a message for each part.

        Args:
            send: What would be called with the messages. Who else sees them needs them.

        Returns:
            None where there is no such way.
        """
        ...


class Passage(Protocol):
    """Where parts of a body go, as they come, to a client."""

    on_room: Callable[[], object] | None
    """Called, on the loop, when there is room again."""

    def pass_on(self, parts: Sequence[bytes | memoryview], *, last: bool) -> bool:
        """Write parts of the body.

        Args:
            parts: The parts; what they show must not change any more.
            last: Whether the body ends with them.

        Returns:
            Whether there is room for more.
        """
        ...


class ClientGoneError(Exception):
    """The client has left, so nobody is there to answer."""


def follow(connection: ClientConnection) -> None:
    """From here on, until ``on_lost`` is reset, the current task is cancelled when the client goes.

    Raises:
        ClientGoneError: It has gone already.
    """
    if connection.lost:
        raise ClientGoneError
    task = asyncio.current_task()
    assert task is not None
    connection.on_lost = task.cancel


async def cut(scope: Scope, receive: Receive) -> None:
    """End an exchange by closing its connection, so that the client cannot take what it got for a whole answer."""
    connection: ClientConnection = scope[CONNECTION]
    connection.on_lost = None
    connection.cut()
    while (await receive())["type"] != "http.disconnect":
        pass


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first header of that lower-case name."""
    for key, value in headers:
        if key == name:
            return value
    return None


async def respond(send: Send, reply: Reply) -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": reply.body})
