"""What ties a request without session to one replica: the state it gives back, or the task it asks for. Pure.

A server may keep the key to its request states, and its tasks, to itself. No header tells the state, and no request
tells that it will get one; so both are looked for in the text of what passes, without reading it as JSON.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MAX_TRAILS", "TRACED", "TrailReader", "names_trail", "state_in")

MAX_TRAILS = 10_000
"""States and tasks that are known at the same time; of more, the one unused for longest is forgotten."""

TRACED = frozenset((b"tools/call", b"prompts/get", b"resources/read"))
"""The requests whose answer may bring a state or a task."""

_MAX_ANSWER = 2**20
_STATE = re.compile(rb'"requestState"\s*:\s*("(?:[^"\\]|\\.)*")')
_TRAIL = re.compile(rb'"(?:requestState|taskId)"\s*:\s*("(?:[^"\\]|\\.)*")')


def state_in(body: bytes) -> str | None:
    """The request state that a request gives back; None when it gives none."""
    found = _STATE.search(body) if b'"requestState"' in body else None
    return None if found is None else _text(found[1])


def names_trail(answer: bytes) -> bool:
    """Whether an answer may tell of a state or a task, so that it is worth to be read."""
    return b'"requestState"' in answer or b'"taskId"' in answer


class TrailReader:
    """Finds states and tasks in an answer as it passes, part by part. Beyond a mebibyte it looks no further.

    Args:
        found: Called with each.
    """

    def __init__(self, found: Callable[[str], object]) -> None:
        """Begin to read."""
        self._found = found
        self._text = bytearray()
        self._looked = 0

    def feed(self, part: bytes | memoryview) -> None:
        """The next part."""
        if len(self._text) + len(part) > _MAX_ANSWER:
            return
        self._text += part
        while (match := _TRAIL.search(self._text, self._looked)) is not None:
            self._looked = match.end()
            trail = _text(match[1])
            if trail is not None:
                self._found(trail)


def _text(literal: bytes) -> str | None:
    try:
        return str(json.loads(literal))
    except ValueError:
        return None
