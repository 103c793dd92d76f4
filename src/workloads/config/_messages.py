"""How problems are worded, the same everywhere."""

from __future__ import annotations

from typing import Any

__all__ = ("describe", "expected", "got", "quote")

_LONGEST = 60


def quote(text: str) -> str:
    """A string in double quotes, as JSON and YAML read it; a long one is cut."""
    import json

    return json.dumps(text if len(text) <= _LONGEST else text[:_LONGEST] + "…", ensure_ascii=not text.isprintable())


def got(text: str) -> str:
    """The end of a message about a string that will not do."""
    return f"got {quote(text)}"


def describe(value: Any) -> str:
    """A value in a few words: scalars as they are written, the rest by its kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, dict) else type(value).__name__


def expected(what: str, value: Any, *, quiet: bool = False) -> str:
    """The message for a value of the wrong type.

    Args:
        what: What would be right, such as ``int``.
        value: What was found.
        quiet: Whether the value must not be shown.
    """
    scalar = value is None or isinstance(value, bool | int | float)
    if quiet:
        # The quoted form would show the value as well.
        kind = type(value).__name__ if isinstance(value, str | int | float) else describe(value)
        hint = "; write it in quotes" if scalar and what == "str" else ""
        return f"expected {what}, got {kind}{hint}"
    shown = describe(value)
    hint = f'; write "{"" if value is None else shown}"' if scalar and what == "str" else ""
    return f"expected {what}, got {shown}{hint}"


def _number(value: float) -> str:
    from workloads.config._numbers import yaml_number

    try:
        text = yaml_number(value)
    except ValueError:
        return f"an integer of {int(value).bit_length()} bits"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
