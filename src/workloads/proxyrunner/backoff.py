"""When a server that ended is started again. Pure: what happened in, what to do out.

The numbers are ToolHive's, so that a workload behaves the same whoever runs it.
"""

from __future__ import annotations

import attrs

__all__ = ("Backoff", "Restart")

ATTEMPTS = 10
FIRST_DELAY = 5.0
LAST_DELAY = 60.0
STABLE_RUN = 30.0


@attrs.frozen
class Restart:
    """Start the server again.

    Attributes:
        delay: Seconds to wait before.
        context: The status context meanwhile.
    """

    delay: float
    context: str


class Backoff:
    """Decides on restarts: at most ten attempts in a row, 5 s apart at first and doubling to 60 s.

    A run of at least 30 s counts as stable: it is followed by a restart at once, and the count begins anew.
    """

    EXHAUSTED = "Failed to restart after container exit"
    """The status context when no attempt is left."""

    def __init__(self) -> None:
        """Begin with the first attempt under way."""
        self._attempt = 1
        self._delay = FIRST_DELAY

    def ended(self, ran: float) -> Restart | None:
        """The server ended. Returns what to do; None when no attempt is left.

        Args:
            ran: Seconds for which it was ready; 0 when it never became so.
        """
        if ran >= STABLE_RUN:
            self._attempt, self._delay = 1, FIRST_DELAY
            return Restart(0.0, "Container exited after stable run, restarting")
        if self._attempt >= ATTEMPTS:
            return None
        self._attempt += 1
        delay, self._delay = self._delay, min(2 * self._delay, LAST_DELAY)
        return Restart(delay, "Container exited, restarting")
