"""The other end of a stdio server's pipes, played by a test, line by line."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from typing import Any


class Peer:
    """Plays the server: reads what was sent to it, and says what it is told to say."""

    def __init__(self) -> None:
        stdin_read, stdin_write = os.pipe()
        stdout_read, stdout_write = os.pipe()
        self.stdin = os.fdopen(stdin_write, "wb", buffering=0)
        """The end that the subject writes to."""
        self.stdout = os.fdopen(stdout_read, "rb", buffering=0)
        """The end that the subject reads from."""
        self._in = os.fdopen(stdin_read, "rb", buffering=0)
        self._out = os.fdopen(stdout_write, "wb", buffering=0)
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None

    async def hear(self) -> dict[str, Any]:
        """The next message sent to the server."""
        if self._reader is None:
            reader = self._reader = asyncio.StreamReader(limit=2**24)
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), self._in
            )
        line = await asyncio.wait_for(self._reader.readline(), 30)
        if not line:
            raise EOFError
        return json.loads(line)

    def say(self, message: dict[str, Any] | bytes) -> None:
        """Write a message, or any line, as the server."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        os.write(self._out.fileno(), line + b"\n")

    def answer(self, request: dict[str, Any], **outcome: Any) -> None:
        """Answer a request: ``result={...}`` or ``error={...}``."""
        self.say({"jsonrpc": "2.0", "id": request["id"], **outcome})

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification as the server."""
        self.say({"jsonrpc": "2.0", "method": method, "params": params})

    def hang_up(self) -> None:
        """Close the server's output, as its end does."""
        self._out.close()

    def close(self) -> None:
        """Close the server's ends."""
        self._out.close()
        if self._transport is None:
            self._in.close()
        else:
            self._transport.close()


@asynccontextmanager
async def connected(calls):
    """The requests in flight, connected to a peer."""
    peer = Peer()
    try:
        await calls.pipe.open(peer.stdin, peer.stdout)
        yield peer
    finally:
        calls.pipe.close()
        calls.close()
        peer.close()
        await asyncio.sleep(0)
