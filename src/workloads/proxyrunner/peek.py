"""Reading a small message as it goes by, for those who tell of it and must neither hold it up nor change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.jsonrpc import members, read

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Message, Receive

__all__ = ("Peek",)

_ENOUGH = 2**16
"""Bytes a message may have to be read; of a longer one only its headers tell."""


class Peek:
    """Looks at the body of a request while others receive it.

    Args:
        receive: The ASGI callable.
    """

    def __init__(self, receive: Receive) -> None:
        """Nothing has come yet."""
        self._receive = receive
        self._parts: list[bytes] = []
        self._size = 0

    async def receive(self) -> Message:
        """Receive what comes next."""
        message = await self._receive()
        self.saw(message.get("body", b""))
        return message

    def saw(self, part: bytes) -> None:
        """A part of the body came."""
        self._size += len(part)
        if self._size <= _ENOUGH:
            self._parts.append(part)

    @property
    def text(self) -> bytes:
        """What was received; empty when it is long."""
        return b"".join(self._parts) if self._size <= _ENOUGH else b""

    def message(self) -> dict[str, Any]:
        """The JSON-RPC message that was received; empty when it is none, or long."""
        try:
            return members(read(self.text))
        except ValueError:
            return {}
