"""Reading a request's body into memory, within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import ClientGoneError, header
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST
from workloads.proxyrunner.replies import Reply, refusal

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Headers, Receive, Scope

__all__ = ("MAX_BODY", "BodyError", "body_to_refuse", "has_body", "read_body", "starts_batch")

MAX_BODY = 8 * 2**20
"""Bytes a request may have; the middleware ``bodylimit`` overrides it."""

MAX_WAIT = 30.0
"""Seconds a body may take to arrive."""

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
    declared = header(headers, b"content-length")
    if declared is not None and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(max_wait):
            return await _collect(receive, limit)
    except TimeoutError:
        closing = ((b"connection", b"close"),)
        raise BodyError(refusal(408, INVALID_REQUEST, "Request body took too long", headers=closing)) from None


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


async def _collect(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return part if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> BodyError:
    return BodyError(refusal(413, INVALID_REQUEST, f"Request body is larger than {limit} bytes"))


def starts_batch(body: bytes) -> bool:
    """Whether a body is a JSON array, told by its first byte that is not blank."""
    first = body[:1]
    if first == b"{":
        return False
    return body.removeprefix(_BOM).lstrip(_BLANK).startswith(b"[")
