"""Where in a document something is."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ("Path", "join", "render", "segment_text")

Path: TypeAlias = "tuple[Any, ...]"
"""Where a value is: ``()``, or the path of what holds it and its key or index. Cheap to extend, rendered if needed."""

_MOST_SEGMENTS = 20


def join(prefix: str, path: str) -> str:
    """The path of something inside of what is at ``prefix``."""
    return prefix + path if not prefix or not path or path.startswith("[") else f"{prefix}.{path}"


def render(path: Path) -> str:
    """A path as people read it, such as ``network.outbound.allow_port[2]``."""
    text = ""
    segments: list[Any] = []
    while path:
        path, segment = path
        segments.append(segment)
    # An attack's path may have any length.
    for segment in segments[: -_MOST_SEGMENTS - 1 : -1]:
        text = join(text, f"[{segment}]" if isinstance(segment, int) else segment_text(segment))
    return text if len(segments) <= _MOST_SEGMENTS else text + "…"


def segment_text(key: str) -> str:
    """A key as a part of a path; one that would tear the line is escaped."""
    return key if key.isprintable() and key else ascii(key)
