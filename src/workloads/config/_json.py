"""JSON text to trees and back.

The usual document is read by one pass of the standard decoder. Only one that looks suspicious is read again, slowly,
to say where what is wrong with it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from workloads.config._numbers import json_number, read_float, read_int
from workloads.config._text import as_text
from workloads.config._tree import TOLD, TOO_DEEP, Foreign, MarkedDict, copy_document, is_list, is_object, not_finite
from workloads.errors import Problem

__all__ = ("parse", "write")


class _SuspiciousError(Exception):
    """The document has to be read the slow way."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _SuspiciousError
    return members


def _refuse(_literal: str) -> NoReturn:
    raise _SuspiciousError


class _Integers(dict[str, "int | float"]):
    """Integers by their text. It remembers short ones: a decoder asks for the same ones again and again."""

    def __missing__(self, literal: str) -> int | float:
        value = read_int(literal)
        if len(literal) < 20 and len(self) < _MOST_INTEGERS:
            self[literal] = value
        return value


_MOST_INTEGERS = 4096
_INTEGERS = _Integers()
_FAST = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_float=read_float,
    parse_int=_INTEGERS.__getitem__,
    parse_constant=_refuse,
)
_SLOW = json.JSONDecoder(
    object_pairs_hook=MarkedDict.of,
    parse_float=read_float,
    parse_int=read_int,
    parse_constant=lambda literal: Foreign(not_finite(literal)),
)
_STRING = json.JSONEncoder(ensure_ascii=False)
# Half a surrogate pair can only be written as an escape.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: str | bytes, problems: list[Problem]) -> Any:
    """The tree of a JSON document; what is wrong with it is added to ``problems``."""
    document = as_text(text, problems)
    if document is None:
        return TOLD
    if "\\" not in document or _SURROGATE.search(document) is None:
        try:
            tree, end = _FAST.raw_decode(document)
        except (_SuspiciousError, json.JSONDecodeError, RecursionError):
            pass
        else:
            if end == len(document) or not document[end:].strip(" \t\r\n"):
                return tree
    # There is space before it, or something is wrong with it.
    try:
        return copy_document(_SLOW.decode(document), problems)
    except json.JSONDecodeError as error:
        problems.append(Problem("", f"not JSON: line {error.lineno} column {error.colno}: {error.msg}"))
    except RecursionError:
        problems.append(Problem("", TOO_DEEP))
    return TOLD


def write(tree: Any, indent: int | None) -> str:
    """The JSON text of a tree, without a line end after it."""
    pieces: list[str] = []
    _write(tree, pieces, "" if indent is None else "\n", " " * (indent or 0), ":" if indent is None else ": ")
    return "".join(pieces)


def _write(value: Any, pieces: list[str], newline: str, step: str, colon: str) -> None:
    if value is None:
        pieces.append("null")
    elif isinstance(value, str):
        pieces.append(_STRING.encode(value))
    elif isinstance(value, bool):
        pieces.append("true" if value else "false")
    elif isinstance(value, int | float):
        pieces.append(json_number(value))
    elif is_object(value) and value:
        deeper = newline + step
        separator = "{" + deeper
        for key, item in value.items():
            pieces += (separator, _STRING.encode(key), colon)
            _write(item, pieces, deeper, step, colon)
            separator = "," + deeper
        pieces += (newline, "}")
    elif is_list(value) and value:
        deeper = newline + step
        separator = "[" + deeper
        for item in value:
            pieces.append(separator)
            _write(item, pieces, deeper, step, colon)
            separator = "," + deeper
        pieces += (newline, "]")
    else:
        pieces.append("{}" if is_object(value) else "[]")
