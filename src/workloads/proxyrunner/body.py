"""Reading a request's body, within bounds of size and time: into memory, or part by part."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import ClientGoneError, header
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST
from workloads.proxyrunner.replies import Reply, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from workloads.proxyrunner.asgi import Headers, Receive, Scope

__all__ = ("MAX_BODY", "BodyError", "Intake", "body_to_refuse", "has_body", "read_body", "starts_batch")

MAX_BODY = 8 * 2**20
"""Bytes a request may have; the middleware ``bodylimit`` overrides it."""

MAX_WAIT = 30.0
"""Seconds a body may take to arrive; one that is passed on part by part, each part."""

_SMALL = 2**16
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


class BodyError(Exception):
    """A body that is not taken.

    Attributes:
        reply: What to answer.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")


def has_body(headers: Headers) -> bool:
    """Whether a request with these headers brings a body."""
    for name, value in headers:
        if name == b"content-length":
            return value != b"0"
        if name == b"transfer-encoding":
            return True
    return False


class Intake:
    """A request's body as it arrives.

    Args:
        headers: The headers of the request.
        receive: The ASGI callable.
        limit: Bytes it may have.
        max_wait: Seconds it may take to arrive.

    Raises:
        BodyError: It says itself that it is too large.
    """

    def __init__(self, headers: Headers, receive: Receive, limit: int, max_wait: float = MAX_WAIT) -> None:
        """A body of which nothing has been read yet."""
        declared = header(headers, b"content-length")
        if declared is not None and int(declared) > limit:
            raise _too_large(limit)
        self._receive = receive
        self._limit = limit
        self._max_wait = max_wait
        self._size = 0
        self.complete = False
        """Whether all of it has been read."""
        self.passed_on = False
        """Whether :meth:`parts` has given some of it away."""

    async def read(self, enough: int | None = None) -> bytes:
        """What is there of it, once that is so much or all.

        Args:
            enough: Bytes. Default: None, all.

        Raises:
            BodyError: It is too large or too slow.
            ClientGoneError: The client left.
        """
        try:
            async with asyncio.timeout(self._max_wait):
                return await self._collect(enough)
        except TimeoutError:
            raise _too_slow() from None

    def read_here(self) -> Awaitable[bytes]:
        """All of it, which has arrived already.

        Raises:
            BodyError: It is too large.
            ClientGoneError: The client left.
        """
        return self._collect(None)

    async def parts(self) -> AsyncIterator[bytes]:
        """What :meth:`read` has left, part by part.

        Raises:
            BodyError: It is too large or too slow.
            ClientGoneError: The client left.
        """
        while not self.complete:
            if part := await self.read(1):
                self.passed_on = True
                yield part

    async def _collect(self, enough: int | None) -> bytes:
        parts: list[bytes] = []
        size = 0
        while not self.complete and (enough is None or size < enough):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = message.get("body", b"")
            size += len(part)
            self._size += len(part)
            if self._size > self._limit:
                raise _too_large(self._limit)
            parts.append(part)
            self.complete = not message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_body(headers: Headers, receive: Receive, limit: int, max_wait: float = MAX_WAIT) -> bytes:
    """The whole body.

    Args:
        headers: The headers of the request.
        receive: The ASGI callable.
        limit: Bytes it may have.
        max_wait: Seconds it may take to arrive.

    Raises:
        BodyError: It is too large or too slow.
        ClientGoneError: The client left.
    """
    return await Intake(headers, receive, limit, max_wait).read()


async def body_to_refuse(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a POST that is refused by its headers: looked at only for the id to echo, and only when it is small.

    Raises:
        ClientGoneError: The client left.
    """
    if scope["method"] != "POST" or not has_body(scope["headers"]):
        return None
    try:
        return await read_body(scope["headers"], receive, _SMALL)
    except BodyError:
        return None


def _too_large(limit: int) -> BodyError:
    return BodyError(refusal(413, INVALID_REQUEST, f"Request body is larger than {limit} bytes"))


def _too_slow() -> BodyError:
    closing = ((b"connection", b"close"),)
    return BodyError(refusal(408, INVALID_REQUEST, "Request body took too long", headers=closing))


def starts_batch(body: bytes) -> bool:
    """Whether a body is a JSON array, told by its first byte that is not blank."""
    first = body[:1]
    if first == b"{":
        return False
    return body.removeprefix(_BOM).lstrip(_BLANK).startswith(b"[")
