"""Durations as Go writes them: ``1h30m``, ``1.5s``, ``100ms``."""

from __future__ import annotations

import re

from workloads.config._messages import got

__all__ = ("format_duration", "parse_duration")

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5, the micro sign
    "μs": 10**3,  # U+03BC, the Greek letter: Go reads both
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
# A number has a digit, so there is one way only to match: no text takes long to refuse.
_PART = r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?([^0-9.]+)"
_LONGEST = 2**63 - 1
_MAX_LENGTH = 200


def parse_duration(text: str) -> float:
    """The seconds a Go duration stands for.

    Args:
        text: Decimal numbers with a unit each (``ns us µs ms s m h``) and perhaps a sign, such as ``1h30m`` or
            ``-1.5s``; or ``0``.

    Raises:
        ValueError: Go would not read it, or it is longer than 292 years.

    Example:
        >>> parse_duration("1h30m")
        5400.0
    """
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    # Longer than anything Go prints; an endless text would only cost time.
    if len(text) > _MAX_LENGTH or re.fullmatch(f"(?:{_PART})+", unsigned) is None:
        raise ValueError(_expected(text))
    total = sum(_part(text, *match.groups(default="")) for match in re.finditer(_PART, unsigned))
    if total > _LONGEST:
        raise ValueError(f"expected at most 292 years, {got(text)}")
    return (-total if text.startswith("-") else total) / 1e9


def _part(text: str, whole: str, fraction: str, unit: str) -> int:
    if unit not in _NANOSECONDS:
        raise ValueError(_expected(text))
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * _NANOSECONDS[unit] // scale


def _expected(text: str) -> str:
    return f'expected a duration such as "1h30m", "90s" or "100ms", {got(text)}'


def format_duration(seconds: float) -> str:
    """A duration as Go prints it.

    Args:
        seconds: How long; rounded to nanoseconds.

    Raises:
        ValueError: It is longer than 292 years, or not a number.

    Example:
        >>> format_duration(5400), format_duration(0.0015), format_duration(0)
        ('1h30m0s', '1.5ms', '0s')
    """
    if not abs(seconds) <= _LONGEST / 1e9:
        raise ValueError(f"expected at most 292 years, got {seconds} seconds")
    # A float cannot hold the last nanosecond of 292 years.
    total = min(round(abs(seconds) * 1e9), _LONGEST)
    sign = "-" if seconds < 0 and total else ""
    if total < _NANOSECONDS["s"]:
        unit = next((unit for unit in ("ms", "µs", "ns") if total >= _NANOSECONDS[unit]), "s")
        return f"{sign}{_decimal(total, _NANOSECONDS[unit])}{unit}"
    minutes, nanoseconds = divmod(total, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(nanoseconds, _NANOSECONDS['s'])}s"


def _decimal(nanoseconds: int, unit: int) -> str:
    whole, rest = divmod(nanoseconds, unit)
    fraction = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
