"""What a middleware needs to look into messages: the whole body of a request, read strictly, and put back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.body import has_body, read_body
from workloads.proxyrunner.jsonrpc import finite, members, no_constant

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Headers, Message, Receive, Scope

__all__ = ("AmbiguousError", "is_post", "message_of", "request_body", "with_body", "without_header")

_KEYS = frozenset(("jsonrpc", "id", "method", "params"))
_UTF_8 = re.compile(rb';\s*charset\s*=\s*("?)utf-?8\1\s*(?=;|$)')


class AmbiguousError(ValueError):
    """A message that a server might understand in another way than the proxy does."""


def is_post(scope: Scope) -> bool:
    """Whether a server may take a request for a POST, as some do in any case. Not every host refuses others."""
    method: str = scope["method"]
    return method.upper() == "POST"


async def request_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body of a request; empty when it has none.

    Raises:
        BodyError: It is too large or too slow.
        ClientGoneError: The client left.
    """
    return await read_body(scope["headers"], receive, limit) if has_body(scope["headers"]) else b""


def message_of(headers: Headers, body: bytes) -> dict[str, Any]:
    """The JSON-RPC message of a body, read so that no server can find another method or other parameters in it.

    Parsers differ in which of two equal keys they take, and some find ``Method`` where ``method`` is meant. Some read a
    body as its headers say: what is harmless in UTF-8 may be a call of a tool in UTF-7.

    Args:
        headers: The headers of the request.
        body: The body.

    Raises:
        AmbiguousError: The body is no JSON object, or an ambiguous one.
    """
    for name, value in headers:
        if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            raise AmbiguousError("it is compressed")
        if name == b"content-type" and b"charset" in _UTF_8.sub(b"", value.lower()):
            raise AmbiguousError("its charset is another one than UTF-8")
    try:
        found: object = json.loads(
            body.decode(), object_pairs_hook=_once, parse_constant=no_constant, parse_float=finite
        )
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, AmbiguousError):
            raise
        raise AmbiguousError("not a JSON text in UTF-8") from None
    if not isinstance(found, dict):
        raise AmbiguousError("not a JSON object")
    message = members(found)  # pyright: ignore[reportUnknownArgumentType]  # any object will do
    for place, known in ((message, _KEYS), (members(message.get("params")), {"name"})):
        for key in place:
            if key not in known and key.casefold() in known:
                raise AmbiguousError(f"the key {key!r} is written otherwise")
    return message


def with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """A request like this one, that has this body.

    Args:
        scope: The scope of the request, which is not changed.
        receive: Where what follows the body comes from.
        body: The body.
    """
    headers = [item for item in scope["headers"] if item[0] not in (b"content-length", b"transfer-encoding")]
    headers.append((b"content-length", str(len(body)).encode()))
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return {**scope, "headers": headers}, replay


def without_header(headers: Headers, *names: bytes) -> Headers:
    """The headers but those of these lower-case names."""
    return [item for item in headers if item[0] not in names]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise AmbiguousError("a key is repeated")
    return found
