"""A transport that joins the head of an answer with the body that follows at once.

Each write is a call of the kernel and a packet: with two of them a small answer costs a quarter more.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ("Corked",)


class Corked:
    """A transport as it was, except for what :meth:`cork` says.

    Args:
        transport: What writes.
    """

    __slots__ = ("_corked", "_held", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        """Hold nothing back yet."""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._corked = False
        self._held = b""
        self.is_closing = transport.is_closing

    def cork(self) -> None:
        """Hold the next write back until another one follows, or until the loop comes to what else there is to do."""
        self._corked = True

    def write(self, data: bytes) -> None:
        """Write, with what was held back before it."""
        if self._corked:
            self._corked = False
            self._held = data
            self._loop.call_soon(self._flush)
        elif self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is written, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
