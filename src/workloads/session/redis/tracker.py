"""One connection on which one server tells what changes: RESP3 client tracking in broadcast mode.

Any change of a key with the prefix is told, a new time to live too; the server keeps nothing per key. A connection that
is gone takes its news with it, so it is asked for signs of life all the time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workloads.session.redis.client import drop
from workloads.session.redis.reasons import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("Tracker",)

_BEAT = 0.25
"""Seconds between two signs of life: a loss is noticed after three, within one second."""

_MISSED = 2
"""Beats without a sign that mean a loss. Counted, not timed: when this process was held up, nothing was missed."""


async def _pass_on(push: Any) -> Any:
    return push


def _is_invalidation(answer: Any) -> bool:
    return isinstance(answer, list) and answer[:1] == [b"invalidate"]


class Tracker:
    """A tracking connection that is open, until it is lost or closed. It is not opened again."""

    def __init__(
        self,
        connection: Any,
        *,
        heard: Callable[[Sequence[bytes] | None], object],
        lost: Callable[[Exception | None], object],
    ) -> None:
        """Prepare to listen.

        Args:
            connection: redis-py's connection, made with :func:`.client.connection_options`.
            heard: Called with the keys that changed; None means all.
            lost: Called once when the connection is lost, with what redis-py raised; None when there was only silence.
        """
        self.connection = connection
        self._heard, self._lost = heard, lost
        self._alive = True
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, prefix: bytes) -> None:
        """Connect, and hear of every change that is made after this returns.

        Args:
            prefix: What the keys begin with.
        """
        try:
            await self.connection.connect()
            # It has no public name, and is how redis-py hands out these messages whatever parser it uses.
            self.connection._parser.set_invalidation_push_handler(_pass_on)  # noqa: SLF001
            await self.connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix)
            while _is_invalidation(answer := await self._read()):
                self._heard(answer[1])
        except BaseException:
            await drop(self.connection)
            raise
        create = asyncio.get_running_loop().create_task
        self._tasks = [create(self._listen()), create(self._beat())]

    async def close(self) -> None:
        """Hear no more. Can be repeated."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await drop(self.connection)

    async def _read(self) -> Any:
        return await self.connection.read_response(disable_decoding=True, push_request=True, disconnect_on_error=False)

    async def _listen(self) -> None:
        try:
            while True:
                answer = await self._read()
                self._alive = True
                if _is_invalidation(answer):
                    self._heard(answer[1])
        except FAILURES as error:
            self._over = True
            self._lost(error)

    async def _beat(self) -> None:
        missed = 0
        try:
            while missed < _MISSED and not self._over:
                self._alive = False
                await self.connection.send_command("PING", check_health=False)
                await asyncio.sleep(_BEAT)
                missed = 0 if self._alive else missed + 1
        except FAILURES as error:
            self._lost(error)
        else:
            self._lost(None)
