"""Whether a client that has something to read reads at all."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ("Lag",)

# ``tcpi_bytes_acked`` of Linux's ``struct tcp_info``: how many bytes the other side has taken so far.
_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)
_ACKED = struct.Struct("@120xQ")


class Lag:
    """Begins when bytes wait for a client, and ends when none do.

    A kernel takes some mebibytes for a client before it asks for more, so that what has left this process tells little
    of a slow one. Where the kernel tells what has arrived, that counts.

    Args:
        transport: The connection.
        now: The time by the clock of the loop.
    """

    __slots__ = ("_since", "_taken", "_transport")

    def __init__(self, transport: asyncio.Transport, now: float) -> None:
        """Begin."""
        self._transport = transport
        self._taken = self._progress()
        self._since = now

    def lasts(self, now: float) -> float:
        """For how many seconds the client has read nothing, as far as looks at it tell."""
        taken = self._progress()
        if taken != self._taken:
            self._taken, self._since = taken, now
        return now - self._since

    def _progress(self) -> int:
        """A number that changes when the client has read something."""
        return _arrived(self._transport.get_extra_info("socket")) or self._transport.get_write_buffer_size()


def _arrived(connection: socket.socket | None) -> int:
    """How many bytes have arrived at the other side of a connection; 0 where that is not told."""
    if connection is None or _TCP_INFO is None or connection.family is socket.AF_UNIX:
        return 0
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _ACKED.size)
    except OSError:
        return 0
    acked: int = _ACKED.unpack(told)[0] if len(told) == _ACKED.size else 0
    return acked
