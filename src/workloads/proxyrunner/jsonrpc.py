"""JSON-RPC messages: reading, telling apart and writing them. Pure."""

from __future__ import annotations

import json
import math
import re
from enum import Enum, auto
from typing import Any, NoReturn, TypeAlias, cast

__all__ = (
    "INTERNAL_ERROR", "INVALID_PARAMS", "INVALID_REQUEST", "METHOD_NOT_FOUND", "PARSE_ERROR", "Id", "Kind", "Message",
    "begins_session", "encode", "finite", "is_request", "kind_of", "members", "method_of", "no_constant", "read",
    "usable_id", "whole",
)  # fmt: skip

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Id: TypeAlias = "str | int | float"
Message: TypeAlias = "dict[str, Any]"


class Kind(Enum):
    """What a message is."""

    REQUEST = auto()
    NOTIFICATION = auto()
    RESPONSE = auto()


def read(text: bytes | str) -> Any:
    """The JSON value of a text.

    Raises:
        ValueError: It is none, or is nested too deeply, or holds a number that could not be written again.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(message: Message) -> bytes:
    """A message as one line of JSON, without the end of the line."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()


def members(value: object) -> Message:
    """The members of a JSON object; none if it is anything else."""
    return cast("Message", value) if isinstance(value, dict) else {}


def usable_id(value: object) -> Id | None:
    """The value as the id of a request; None if it cannot be one."""
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def kind_of(message: Message) -> Kind | None:
    """What a message is; None if it is no valid one."""
    if message.get("jsonrpc") != "2.0":
        return None
    if "method" in message:
        if not isinstance(message["method"], str) or not isinstance(message.get("params", {}), dict):
            return None
        if "id" not in message:
            return Kind.NOTIFICATION
        return Kind.REQUEST if usable_id(message["id"]) is not None else None
    if "id" in message and ("result" in message) != ("error" in message):
        return Kind.RESPONSE
    return None


def is_request(text: bytes) -> bool:
    """Whether a text is a request, or nothing that is known not to be one."""
    try:
        return kind_of(members(read(text))) not in (Kind.NOTIFICATION, Kind.RESPONSE)
    except ValueError:
        return True


def method_of(text: bytes) -> str:
    """The method that a text names, as :func:`whole` shows it; empty when it names none.

    Nearly all messages name it before what makes them long. They are not read for that.
    """
    first = _METHOD_FIRST.match(text)
    if first is not None and text.count(b'"method"') == 1 and b"\\u" not in text:
        return first[1].decode()
    try:
        method = members(read(text)).get("method")
    except ValueError:
        return ""
    return whole(method) if isinstance(method, str) else ""


def whole(text: str) -> str:
    """A text with escapes in place of halves of characters, which JSON can hold and no encoding can."""
    return text.encode(errors="backslashreplace").decode()


def begins_session(text: bytes) -> bool:
    """Whether a text is the request ``initialize``."""
    if b'"initialize"' not in text and b"\\u" not in text:
        return False
    try:
        return members(read(text)).get("method") == "initialize"
    except ValueError:
        return False


def no_constant(name: str) -> NoReturn:
    """Refuse what only some parsers take for a number.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is no JSON")


def finite(literal: str) -> float:
    """The number of a literal.

    Raises:
        ValueError: It could not be written again.
    """
    number = float(literal)
    if math.isinf(number):
        raise ValueError(f"{literal} is out of range")
    return number


# Other members than these, before it, may hold another one.
_METHOD_FIRST = re.compile(
    rb'\s*\{\s*(?:"(?:jsonrpc|id)"\s*:\s*(?:"[^"\\]*"|-?[0-9]+)\s*,\s*)*"method"\s*:\s*"([ !#-\[\]-~]*)"'
)
# Made once: the function of the module makes another one for each text that is not read in the usual way.
_decode = json.JSONDecoder(parse_constant=no_constant, parse_float=finite).decode
