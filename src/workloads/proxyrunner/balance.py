"""Which of several replicas a request goes to. Pure: loads in, a choice out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Balance",)


class Balance:
    """Chooses the least loaded, and of several the one whose turn it is."""

    def __init__(self) -> None:
        """Begin with the first."""
        self._turn = 0

    def choose(self, loads: Sequence[int]) -> int:
        """The position of the one to take.

        Args:
            loads: How much each has to do; at least one.
        """
        lowest, count = min(loads), len(loads)
        turns = ((self._turn + step) % count for step in range(count))
        chosen = next(index for index in turns if loads[index] == lowest)
        self._turn = chosen + 1
        return chosen
