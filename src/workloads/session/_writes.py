"""Marks of the writes under way. They come back as changes, over another connection, before or after their answers."""

from __future__ import annotations

__all__ = ("Writes",)


class _Mark:
    __slots__ = ("alone", "count")

    def __init__(self, *, alone: bool) -> None:
        self.count = 1
        self.alone = alone


class Writes:
    """The ids being written.

    What was written is the newest there is only if no other change was heard of since it was sent: a change that is
    heard of meanwhile may be this one or one after it. A store may tell of two changes with one push, so counting does
    not help.
    """

    def __init__(self) -> None:
        """Nothing is being written."""
        self._marks: dict[str, _Mark] = {}

    def begin(self, session_id: str, *, alone: bool) -> None:
        """A write is about to be sent.

        Args:
            session_id: What is written.
            alone: Whether every other change would be heard of.
        """
        mark = self._marks.get(session_id)
        if mark is None:
            self._marks[session_id] = _Mark(alone=alone)
        else:
            mark.count += 1
            mark.alone = False  # which of the two was the last nobody knows

    def disturb(self, session_id: str) -> None:
        """A change was heard of."""
        mark = self._marks.get(session_id)
        if mark is not None:
            mark.alone = False

    def disturb_all(self) -> None:
        """Changes may have gone unheard."""
        for mark in self._marks.values():
            mark.alone = False

    def end(self, session_id: str) -> bool:
        """A write was answered.

        Returns:
            Whether what was written is the newest there is, as far as was heard.
        """
        mark = self._marks[session_id]
        mark.count -= 1
        if not mark.count:
            del self._marks[session_id]
        return mark.alone
