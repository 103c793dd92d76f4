"""Sessions as JSON, as ToolHive keeps them in Redis (its ``pkg/transport/session``).

What ToolHive writes is read, and what is written here ToolHive reads: times in RFC 3339 with up to nine digits of a
second (read to the microsecond) and any offset, ``metadata`` left out when empty, ``data`` and unknown keys kept as the
text that they were.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NoReturn, cast

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict
from workloads.session.model import TYPES, Session, texts, unchecked

try:
    import orjson
except ImportError:
    # It comes with the extra redis, and only makes reading faster.
    orjson = None  # type: ignore[assignment]  # a module that is not there

__all__ = ("decode", "encode")

_REQUIRED = ("id", "type", "created_at", "updated_at")
_KNOWN = frozenset((*_REQUIRED, "metadata"))
_KINDS = frozenset(TYPES)
_required_of = itemgetter(*_REQUIRED)
_parsed = datetime.fromisoformat

# datetime.fromisoformat reads more forms than RFC 3339 has.
_is_time = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_SPACES = " \t\r\n"
_SPACE = re.compile(f"[{_SPACES}]*")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encode(session: Session) -> bytes:
    """A session as it is stored.

    Args:
        session: The session.

    Raises:
        ValueError: Something in ``extra`` is no JSON, or under the key of a field.
    """
    tree: dict[str, Any] = {
        "id": session.id,
        "type": session.type,
        "created_at": _time_text(session.created_at),
        "updated_at": _time_text(session.updated_at),
    }
    if session.metadata:
        tree["metadata"] = session.metadata
    text = _ENCODER.encode(tree)
    if session.extra:
        text = f"{text[:-1]},{','.join(_extra_text(*item) for item in session.extra.items())}}}"
    return text.encode()


def decode(raw: bytes) -> Session:
    """The session that was stored as these bytes.

    Args:
        raw: The bytes.

    Raises:
        ValueError: They are damaged; the message says how, and does not repeat them.
    """
    if orjson is not None:
        session = _sound(raw)
        if session is not None:
            return session
    return _checked(raw)


def _sound(raw: bytes) -> Session | None:
    """The session, if nothing is wrong with it; to tell what is wrong takes longer. Reads most of all that is read."""
    assert orjson is not None
    try:
        tree: Any = orjson.loads(raw)
        session_id, kind, created, updated = _required_of(tree)
        if type(session_id) is not str or not session_id or kind not in _KINDS or not _is_time(created):
            return None
        updated_at = created_at = _parsed(created)
        if updated != created:
            if not _is_time(updated):
                return None
            updated_at = _parsed(updated)
        metadata: ReadOnlyDict[str, str] = EMPTY_DICT
        known = len(_REQUIRED)
        if "metadata" in tree:
            known += 1
            found: dict[str, Any] | None = tree["metadata"]
            if type(found) is dict:
                for value in found.values():
                    if type(value) is not str:
                        return None
                metadata = ReadOnlyDict(found)
            elif found is not None:
                return None
        extra = EMPTY_DICT if len(tree) == known else ReadOnlyDict(_extra(raw.decode().strip(_SPACES)))
        return unchecked(session_id, kind, created_at, updated_at, metadata, extra)
    except (KeyError, RecursionError, TypeError, ValueError):
        return None


def _checked(raw: bytes) -> Session:
    """The session; raises what is wrong with it."""
    tree = _object(raw)
    metadata: Any = tree.get("metadata")
    if metadata is None:
        metadata = EMPTY_DICT
    elif not isinstance(metadata, dict):
        raise ValueError("metadata is no object")
    try:
        session_id, kind, created, updated = tree["id"], tree["type"], tree["created_at"], tree["updated_at"]
        created_at, updated_at = _time(created, "created_at"), _time(updated, "updated_at")
        metadata = texts(cast("dict[str, str]", metadata))
        if not isinstance(session_id, str) or not session_id or kind not in TYPES:
            Session(id=session_id, type=kind)  # which tells what is wrong
        known = len(_REQUIRED) + ("metadata" in tree)
        extra = EMPTY_DICT if len(tree) == known else ReadOnlyDict(_extra(raw.decode().strip(_SPACES)))
        return unchecked(session_id, kind, created_at, updated_at, metadata, extra)
    except KeyError:
        raise ValueError(f"{', '.join(key for key in _REQUIRED if key not in tree)} missing") from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def _object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a text."""
    try:
        text = raw.decode().strip(_SPACES)
        parsed, end = _DECODER.raw_decode(text)
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if end != len(text):
        raise ValueError("it is no JSON")
    if not isinstance(parsed, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  # what is damaged is a value
    return cast("dict[str, Any]", parsed)


def _extra_text(key: str, raw: str) -> str:
    if key in _KNOWN:
        raise ValueError(f"{key!r} is a field of a session and cannot be in extra")
    try:
        _DECODER.decode(raw)
    except (ValueError, RecursionError):
        raise ValueError(f"extra[{key!r}] is no JSON") from None
    return f"{_ENCODER.encode(key)}:{raw}"


def _time_text(time: datetime) -> str:
    offset = time.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        time = time.astimezone(UTC)  # RFC 3339 knows offsets of whole minutes only
    text = time.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _time(text: object, key: str) -> datetime:
    if not isinstance(text, str) or not _is_time(text):
        raise ValueError(f"{key} is no RFC 3339 time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{key} is no RFC 3339 time") from None


def _extra(text: str) -> dict[str, str]:
    """The values of unknown keys of an object that is known to be JSON, as they were written."""
    found: dict[str, str] = {}
    position = _after_space(text, _after_space(text, 0) + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _after_space(text, _after_space(text, position) + 1)
        _, end = _DECODER.raw_decode(text, position)
        if key not in _KNOWN:
            found[key] = text[position:end]
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    return found


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()
