"""Connections: accepting not too many of them, and joining two."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

__all__ = ("FAULTS", "Peer", "at_most", "join", "keep_alive")

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""The two ends of one connection."""

FAULTS = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
"""What a connection can die of. It concerns nobody else."""

_CHUNK = 64 * 1024


def at_most(count: int, serve: Serve) -> Serve:
    """What serves each of at most ``count`` connections at a time, and closes them. One more is closed at once.

    Args:
        count: How many at a time.
        serve: What serves one.
    """
    open_now = 0

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= count:
                await serve(reader, writer)
        except FAULTS:
            writer.transport.abort()
        finally:
            open_now -= 1
            writer.close()

    return served


async def join(first: Peer, second: Peer) -> None:
    """Pass on what each of two connections says to the other, until both have ended or one broke.

    Args:
        first: One connection.
        second: The other one, which is closed in the end.
    """
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(first[0], second[1]))
            group.create_task(_pass_on(second[0], first[1]))
    except* FAULTS:
        first[1].transport.abort()  # so that the other end learns that it was cut
        second[1].transport.abort()
    finally:
        second[1].close()


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the system find out when the other machine is gone, however long nobody speaks."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
