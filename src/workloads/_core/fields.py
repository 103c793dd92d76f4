"""Values out of a JSON object whose writer may have been another program or another version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("LARGEST", "others", "text", "whole_number")

LARGEST = 2**63 - 1
"""The largest whole number that is read."""


def text(document: Mapping[str, object], key: str, default: str | None = None) -> str:
    """The string under a key.

    Args:
        document: The object.
        key: The key.
        default: What counts when the key is missing or null; None (the default) refuses that.

    Raises:
        ValueError: There is something else, or nothing.
    """
    value = document.get(key)
    if isinstance(value, str):
        return value
    if value is None and default is not None:
        return default
    raise ValueError(f"{key}: expected a string, got {_named(document, key)}")


def whole_number(document: Mapping[str, object], key: str, default: int | None = None, *, least: int = 0) -> int:
    """The whole number under a key, of at most 64 bits.

    Args:
        document: The object.
        key: The key.
        default: What counts when the key is missing or null; None (the default) refuses that.
        least: The least that is allowed.

    Raises:
        ValueError: There is something else, or nothing.
    """
    value = document.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST:
        return value
    if value is None and default is not None:
        return default
    raise ValueError(f"{key}: expected a whole number of at least {least}, got {_named(document, key)}")


def others(document: Mapping[str, Any], known: frozenset[str]) -> ReadOnlyDict[str, Any]:
    """What an object holds beyond the known keys, to be kept.

    Args:
        document: The object.
        known: The keys that have a place of their own.
    """
    if known.issuperset(document):
        return EMPTY_DICT
    return ReadOnlyDict({key: value for key, value in document.items() if key not in known})


def _named(document: Mapping[str, object], key: str) -> str:
    """What is there, in a few words; the value itself may be long or not for everybody's eyes."""
    if key not in document:
        return "nothing"
    value = document[key]
    return repr(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
