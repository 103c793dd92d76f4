"""What scalars without quotes mean in the core schema of YAML 1.2."""

from __future__ import annotations

import re
from typing import Any

from workloads.config._numbers import read_float, read_int
from workloads.config._tree import Foreign, not_finite

__all__ = ("FLOAT", "INT", "resolve")

INT = re.compile("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> Any:
    """The value of a scalar without quotes; most are strings."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if INT.fullmatch(text):
        try:
            return read_int(text)
        except ValueError as error:
            return Foreign(str(error))
    if FLOAT.fullmatch(text):
        return read_float(text)
    return Foreign(not_finite(text)) if _NOT_FINITE.fullmatch(text) else text
