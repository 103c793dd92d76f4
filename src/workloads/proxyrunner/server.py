"""One started copy of a workload's server, seen from the loop: its blocking handle, with a thread for each wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from workloads.runtimes.protocol import Exit, Replica

__all__ = ("Server", "close_pipes")

_KILL_WAIT = 5.0


class Server:
    """A replica that this runner started.

    Args:
        replica: Its handle.
    """

    def __init__(self, replica: Replica) -> None:
        """Begin to watch it."""
        self.replica = replica
        self.exited: asyncio.Future[Exit | None] = in_thread(replica.wait)
        """How it ended, once it has."""

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109  # the time it is given, not a deadline of the caller
        """Wait until it has ended, for so many seconds at most. Returns whether it has."""
        await asyncio.wait({self.exited}, timeout=timeout)
        return self.exited.done()

    async def stop(self, grace: float) -> None:
        """End it.

        Args:
            grace: Seconds to end by itself in.
        """
        if not self.exited.done():
            await in_thread(self.replica.stop, grace)

    async def kill(self) -> None:
        """End it at once."""
        if not self.exited.done():
            await in_thread(self.replica.kill)
            await self.wait(_KILL_WAIT)


def close_pipes(replica: Replica) -> None:
    """Close what a stdio server is talked to through, when nobody has begun to."""
    for pipe in (replica.stdin, replica.stdout):
        if pipe is not None:
            pipe.close()
