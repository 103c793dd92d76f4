"""Values of headers that are encoded because they are not plain ASCII. Pure."""

from __future__ import annotations

import base64
import binascii

__all__ = ("decoded",)

_ENCODED, _END = "=?base64?", "?="


def decoded(value: str) -> str | None:
    """The value of a header that may be encoded because it is not plain ASCII; None when it is malformed."""
    if not value.startswith(_ENCODED):
        return value
    if not value.endswith(_END):
        return None
    try:
        return base64.b64decode(value[len(_ENCODED) : -len(_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
