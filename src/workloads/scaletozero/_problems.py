"""Answers over HTTP: JSON, and problems as RFC 9457 has them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.scaletozero._asgi_types import Send

__all__ = ("CONTROL_PATHS", "Reply", "json_reply", "problem", "send_reply")

CONTROL_PATHS = ("/scaletozero", "/scaletozero/disable", "/scaletozero/enable", "/scaletozero/openapi.json")
"""The routes of ``control_app``, which the middleware never holds for: they could not tell of their own effect."""

Headers = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


def json_reply(document: Any, *, status: int = 200, kind: bytes = b"application/json", headers: Headers = ()) -> Reply:
    """An answer in JSON. It is never cached: what it tells changes by itself."""
    body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    own = ((b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store"))
    return Reply(status, own + headers, body)


def problem(status: int, detail: str, *, errors: Sequence[str] = (), headers: Headers = ()) -> Reply:
    """An answer that says what is wrong.

    Args:
        status: The status code.
        detail: What is wrong, and what to do.
        errors: Each thing that is wrong with what was asked for.
        headers: More headers.
    """
    document: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
    }  # fmt: skip
    if errors:
        document["errors"] = list(errors)
    return json_reply(document, status=status, kind=b"application/problem+json", headers=headers)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": reply.body})
