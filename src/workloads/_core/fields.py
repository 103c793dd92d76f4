"""Values out of a JSON object whose writer may have been another program or another version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("text", "whole_number")

_LARGEST = 2**63 - 1


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
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected a string, got {_named(document, key)}")  # noqa: TRY004  # a bad document
    return value


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
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
        raise ValueError(f"{key}: expected a whole number of at least {least}, got {_named(document, key)}")
    return value


def _named(document: Mapping[str, object], key: str) -> str:
    """What is there, in a few words; the value itself may be long or not for everybody's eyes."""
    if key not in document:
        return "nothing"
    value = document[key]
    return repr(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
