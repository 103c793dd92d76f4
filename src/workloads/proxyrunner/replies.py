"""Answers that the proxy gives itself, mostly JSON-RPC errors. Pure: values in, a :class:`Reply` out.

Clients of MCP read the body of an error: one that lacks its ``id`` they cannot attribute, and some cannot even parse.
So an error echoes the request's ``id`` with its type, an unreadable POST gets ``"id": null``, and a message that has no
``id`` gets an empty body, because nobody waits for an answer to it.
"""

from __future__ import annotations

from typing import Any

import attrs

from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, encode, members, read, usable_id

__all__ = (
    "RETRY_AFTER", "Reply", "error_body", "json_reply", "method_not_allowed",
    "plain", "refusal", "unavailable",
)  # fmt: skip

RETRY_AFTER = 1
"""Seconds after which a client is told to try again."""

_CLOSE = (b"connection", b"close")
_JSON = (b"content-type", b"application/json")
_NO_ID = object()


@attrs.frozen
class Reply:
    """A whole response.

    Attributes:
        status: The HTTP status.
        body: The body.
        headers: The headers, names in lower case, with the content length.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


def json_reply(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    """A response of JSON, or of nothing when ``body`` is empty."""
    length = (b"content-length", str(len(body)).encode())
    return Reply(status, body, (*((_JSON,) if body else ()), length, *headers))


def plain(status: int, text: str, *headers: tuple[bytes, bytes]) -> Reply:
    """A response for people: one line of text."""
    body = text.encode() + b"\n"
    length = (b"content-length", str(len(body)).encode())
    return Reply(status, body, ((b"content-type", b"text/plain; charset=utf-8"), length, *headers))


def error_body(request_id: object, code: int, message: str, data: Any = None) -> bytes:
    """A JSON-RPC error response.

    Args:
        request_id: The id of the request; None where it is not known.
        code: The JSON-RPC error code.
        message: What is wrong, one sentence.
        data: The ``data`` member; None leaves it out.
    """
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return encode({"jsonrpc": "2.0", "id": request_id, "error": error})


def refusal(
    status: int,
    code: int,
    message: str,
    *,
    request: bytes | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Reply:
    """The answer to a request that goes no further.

    Args:
        status: The HTTP status.
        code: The JSON-RPC error code.
        message: What is wrong, one sentence.
        request: The body of the POST; None when there is none or it was not read.
        headers: More headers.
    """
    request_id = None if request is None else _id_of(request)
    body = b"" if request_id is _NO_ID else error_body(request_id, code, message)
    return json_reply(status, body, *headers)


def unavailable(message: str, *, request: bytes | None = None, ending: bool = False, late: bool = False) -> Reply:
    """The answer while no server can be reached: 503 with Retry-After, or 504 when it was too slow to become ready.

    Args:
        message: Why, one sentence.
        request: The body of the POST; None when there is none or it was not read.
        ending: Whether the proxy ends, so that the client shall come back on another connection.
        late: Whether the server was too slow.
    """
    headers = ((b"retry-after", str(RETRY_AFTER).encode()), *((_CLOSE,) if ending else ()))
    return refusal(504 if late else 503, INTERNAL_ERROR, message, request=request, headers=headers)


def method_not_allowed(*allowed: str) -> Reply:
    """405, naming what is allowed."""
    names = ", ".join(allowed)
    return refusal(405, INVALID_REQUEST, f"Method not allowed; use {names}", headers=((b"allow", names.encode()),))


def _id_of(request: bytes) -> object:
    """The id of the message, None where it is unreadable or unusable, or ``_NO_ID``."""
    try:
        message: object = read(request)
    except ValueError:
        return None
    if not isinstance(message, dict):
        return None
    found = members(message)  # pyright: ignore[reportUnknownArgumentType]  # any object will do
    return usable_id(found["id"]) if "id" in found else _NO_ID
