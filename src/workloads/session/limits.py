"""What parameters a storage can be set up with."""

from __future__ import annotations

import math
from typing import Any

from workloads.errors import InvalidSessionStoreError, Problem

__all__ = ("MAX_TTL", "check_ttl", "prefix_problems", "ttl_problems")

MAX_TTL = 100 * 365 * 86400.0
"""Seconds. Redis counts milliseconds since 1970 in 64 bits, and a century is enough for anybody."""


def ttl_problems(ttl: Any) -> list[Problem]:
    """What is wrong with a time to live.

    Args:
        ttl: Seconds.
    """
    expected = f"expected seconds from 0.001 to {MAX_TTL:.0f}"
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        return [Problem("ttl", f"{expected}, got {type(ttl).__name__}")]
    if not math.isfinite(ttl) or not 0.001 <= ttl <= MAX_TTL:
        return [Problem("ttl", f"{expected}, got {ttl:g}")]
    return []


def check_ttl(ttl: Any) -> float:
    """A time to live that can be used.

    Args:
        ttl: Seconds.

    Raises:
        InvalidSessionStoreError: It cannot.
    """
    if problems := ttl_problems(ttl):
        raise InvalidSessionStoreError(problems)
    return float(ttl)


def prefix_problems(prefix: Any) -> list[Problem]:
    """What is wrong with a prefix of keys. ToolHive has the same rule.

    Args:
        prefix: What every key begins with.
    """
    if not isinstance(prefix, str):
        return [Problem("key_prefix", f"expected a text, got {type(prefix).__name__}")]
    if not prefix.endswith(":"):
        return [Problem("key_prefix", f"expected a prefix that ends with a colon, got {prefix!r}")]
    return []
