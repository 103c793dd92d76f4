"""Numbers that remember how they were written.

``1.10``, ``1E5``, ``-0`` and ``1e400`` would come back as other text from a plain float or int. A number whose text is
already what Python would write stays a plain one.
"""

from __future__ import annotations

import re
from typing import Any, Self

__all__ = (
    "MAX_DIGITS",
    "TOO_LONG",
    "FloatLiteral",
    "IntLiteral",
    "is_too_long",
    "json_number",
    "read_float",
    "read_int",
    "yaml_number",
)

MAX_DIGITS = 4300
"""The most digits that Python converts between text and int. A longer integer stays text, in a FloatLiteral."""

_LIMIT = 10**MAX_DIGITS

_FLOAT = r"([-+]?)(\d*)(?:\.(\d*))?([eE][-+]?\d+)?"


class FloatLiteral(float):
    """A float and the text it was read from.

    Attributes:
        literal: The text, in the JSON or the YAML grammar.
    """

    __slots__ = ("literal",)
    literal: str

    def __new__(cls, literal: str) -> Self:
        self = super().__new__(cls, literal)
        self.literal = literal
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FloatLiteral, (self.literal,)

    def __repr__(self) -> str:
        return self.literal


class IntLiteral(int):
    """An int and the text it was read from, such as ``-0`` or YAML's ``0x1F``.

    Attributes:
        literal: The text.
    """

    literal: str

    def __new__(cls, literal: str) -> Self:
        base = {"0x": 16, "0o": 8}.get(literal[:2], 10)
        self = super().__new__(cls, literal, base)
        self.literal = literal
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return IntLiteral, (self.literal,)

    def __repr__(self) -> str:
        return self.literal


TOO_LONG = f"an integer of more than {MAX_DIGITS} digits cannot be written"


def is_too_long(value: int) -> bool:
    """Whether Python refuses to write this integer."""
    return not -_LIMIT < value < _LIMIT


def read_float(literal: str) -> float:
    """The number a JSON or YAML float text stands for; never rounds the text away."""
    value = float(literal)
    return value if float.__repr__(value) == literal else FloatLiteral(literal)


def read_int(literal: str) -> int | float:
    """The number a JSON or YAML integer text stands for, however long it is.

    Raises:
        ValueError: It is hexadecimal or octal and too large to be written in decimal.
    """
    if len(literal) < 16 and literal[0] in "123456789" and literal.isdigit():
        return int(literal)
    if len(literal) > MAX_DIGITS:
        return FloatLiteral(literal)
    value = IntLiteral(literal)
    if is_too_long(value):
        raise ValueError(TOO_LONG)
    return int(value) if int.__repr__(value) == literal else value


def json_number(value: float) -> str:
    """The JSON text of a number: as it was written when JSON allows that, else the nearest that it allows."""
    if isinstance(value, FloatLiteral):
        match = re.fullmatch(_FLOAT, value.literal)
        assert match is not None, "only texts of this grammar become a FloatLiteral"
        sign, whole, fraction, exponent = match.groups(default="")
        whole = whole.lstrip("0") or "0"
        return f"{sign.strip('+')}{whole}{'.' * ('.' in value.literal)}{_digits(value, fraction)}{exponent}"
    if isinstance(value, IntLiteral):
        return value.literal if value.literal == "-0" else int.__repr__(value)
    return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)


def yaml_number(value: float) -> str:
    """The YAML text of a number: exactly as it was written."""
    return value.literal if isinstance(value, FloatLiteral | IntLiteral) else json_number(value)


def _digits(value: FloatLiteral, fraction: str) -> str:
    # JSON wants a digit after the point: YAML's "1." becomes "1.0".
    return fraction or "0" * ("." in value.literal)
