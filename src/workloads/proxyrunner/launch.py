"""The start of a server: a blocking call that cannot be called back, but given up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from workloads.errors import WorkloadsError
from workloads.proxyrunner.server import close_pipes
from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.runtimes.protocol import Replica

__all__ = ("LIMIT", "Launch", "end_unwanted")

_log = logging.getLogger(__name__)

LIMIT = 5.0
"""Seconds that a server which is being started still gets to be there when everything shall end at once. To fetch an
image may take longer."""
_KILL_WAIT = 5.0


class Launch:
    """One start, in a thread of its own, from the moment this is made.

    Args:
        name: The workload.
        start: Starts a copy of the server; blocks.
    """

    def __init__(self, name: str, start: Callable[[], Replica]) -> None:
        """Begin."""
        self._name = name
        self._start = start
        self._lock = threading.Lock()
        self._done = False
        self._given_up = False
        self._outcome = in_thread(self._run)

    @property
    def replica(self) -> Replica | None:
        """What was started; None as long as nothing is, and for ever when the start failed or was given up."""
        outcome = self._outcome
        if not outcome.done() or outcome.cancelled() or outcome.exception() is not None:
            return None
        return outcome.result()

    async def over(self) -> None:
        """Wait until it is started or given up, however often this is cancelled meanwhile.

        Raises:
            WorkloadsError: It cannot be started.
            CancelledError: This was cancelled, or the start given up.
        """
        try:
            await asyncio.shield(self._outcome)
        except asyncio.CancelledError:
            while not self._outcome.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({self._outcome})
            raise

    async def give_up(self) -> None:
        """Wait for :data:`LIMIT` and no longer. What is there later is ended by the thread that starts it."""
        await asyncio.wait({self._outcome}, timeout=LIMIT)
        with self._lock:
            if self._done:
                return
            self._given_up = True
        self._outcome.cancel()

    def _run(self) -> Replica:
        replica = self._start()
        with self._lock:
            self._done = True
            if not self._given_up:
                return replica
        end_unwanted(replica, self._name)
        return replica


def end_unwanted(replica: Replica, name: str) -> None:
    """End a server that was started and that nobody wants any more. Blocks.

    Args:
        replica: The server.
        name: The workload.
    """
    try:
        replica.kill()
        replica.wait(_KILL_WAIT)
    except WorkloadsError as error:  # whoever ends the workload finds it by its labels
        _log.warning("server not ended", extra={"workload": name, "reason": str(error)})
    finally:
        close_pipes(replica)
