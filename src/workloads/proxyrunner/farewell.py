"""The end of a connection whose client still sends.

To close a socket to which data comes resets the connection, and the client may then lose the answer that it has not
read yet. So only our side is closed at first, and for a while what comes is thrown away (RFC 9112, section 9.6).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ("Farewell",)

_MAX_WAIT = 5.0
"""Seconds a client is given to read its answer and to leave."""
_MAX_BYTES = 2**25
"""Bytes it may send meanwhile."""


class Farewell:
    """Tells a client that nothing more will come, and closes its connection when that is known, or taken too long.

    When the client leaves, the transport closes by itself.

    Args:
        transport: The connection; it is read.
        loop: The loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Close our side as soon as all has been sent."""
        self._transport = transport
        self._left = _MAX_BYTES
        self._timer = loop.call_later(_MAX_WAIT, transport.close)
        with contextlib.suppress(OSError):  # the client has gone: the transport is about to notice
            transport.write_eof()

    def hear(self, size: int) -> None:
        """So many bytes came, and are thrown away."""
        self._left -= size
        if self._left < 0:
            self._transport.close()

    def over(self) -> None:
        """The connection is closed."""
        self._timer.cancel()
