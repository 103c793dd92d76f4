"""Bytes or text to text."""

from __future__ import annotations

from workloads.errors import Problem

__all__ = ("as_text",)


def as_text(document: str | bytes, problems: list[Problem]) -> str | None:
    """The text of a document; None, with the reason added to ``problems``, if it is not text."""
    try:
        if isinstance(document, str):
            document.encode()
            text = document
        else:
            text = str(document, "utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem("", f"not UTF-8: byte {error.start} cannot be read"))
        return None
    except UnicodeEncodeError as error:
        problems.append(Problem("", f"not Unicode text: character {error.start} is half of a surrogate pair"))
        return None
    if text.startswith("\ufeff"):
        problems.append(Problem("", "begins with a byte order mark; save it without one"))
        return None
    return text
