"""The end of a server's log, for the error that tells why it failed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ("last_lines",)

_LINES = 20
_BYTES = 2**16
_LONGEST = 1000


def last_lines(log: Path, secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """The last lines of a log; none when it cannot be read.

    Args:
        log: The file.
        secrets: Values that the server was given and that must not be shown.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _BYTES))
            text = file.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    # The longest first: one value may be a part of another.
    for secret in sorted((secret for secret in secrets if secret.strip()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return tuple(line[:_LONGEST] for line in text.splitlines()[-_LINES:])
