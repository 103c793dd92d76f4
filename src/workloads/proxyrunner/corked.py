"""A transport that joins the head of an answer with the body that follows at once.

Each write is a call of the kernel and a packet: with two of them a small answer costs a quarter more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

__all__ = ("Corked",)


class Corked:
    """A transport as it was, except for what :meth:`cork` says.

    Args:
        transport: What writes.
    """

    __slots__ = ("_corked", "_held", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        """Hold nothing back yet."""
        self._transport = transport
        self._corked = False
        self._held = b""
        self.is_closing = transport.is_closing

    def cork(self) -> None:
        """Hold the next write back until another one follows, or the end."""
        self._corked = True

    def write(self, data: bytes) -> None:
        """Write, with what was held back before it."""
        if self._corked:
            self._corked = False
            self._held += data
        elif self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is written, then close."""
        if self._held:
            self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
