"""Text from servers made safe to show. Pure: no I/O."""

from __future__ import annotations

import re

__all__ = ("escape", "escape_lines")

# What can move the cursor, hide text, change its direction or end a line where none should end: C0 except tab, DEL, C1,
# the line and paragraph separators, the bidirectional controls (marks, embeddings, overrides, isolates) and surrogates,
# which cannot be written at all.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape(line: str) -> str:
    r"""One line of text with every control character spelled out, tabs kept.

    Example:
        >>> escape("\x1b[2Jgone")
        '\\x1b[2Jgone'

    Args:
        line: A line, without its line end.
    """
    return _UNSAFE.sub(_spell, line)


def escape_lines(text: str) -> str:
    """Text of several lines, each escaped, its line feeds kept.

    Args:
        text: Any text.
    """
    return "\n".join(escape(line) for line in text.split("\n"))


def _spell(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
