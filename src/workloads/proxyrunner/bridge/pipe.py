"""The pipe to a server: lines in, lines out, with back-pressure towards it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner.bridge.lines import MAX_LINE, LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ("Pipe", "PipeClosedError")


class PipeClosedError(Exception):
    """The server reads no more."""


class Pipe:
    """Standard input and output of a server.

    Args:
        on_line: Called with each line the server writes, on the loop.
        on_dropped: Called with how a line that is too long begins and ends. Default: nobody is told.
        max_line: Bytes a line may have; a longer one is dropped.
    """

    def __init__(
        self,
        on_line: Callable[[bytes], None],
        on_dropped: Callable[[bytes, bytes], object] | None = None,
        *,
        max_line: int = MAX_LINE,
    ) -> None:
        """Prepare; :meth:`open` connects."""
        self._on_line = on_line
        self._lines = LineSplitter(max_line, on_dropped)
        self._reader: asyncio.ReadTransport | None = None
        self._writer: asyncio.WriteTransport | None = None
        self._turn = asyncio.Lock()
        self._sending = 0
        self.ended = asyncio.Event()
        """Set when the server writes or reads no more."""
        self._flow = _Flow(self.ended.set)

    @property
    def dropped(self) -> int:
        """How many lines were too long."""
        return self._lines.dropped

    async def open(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        """Connect. The pipe closes both, whatever happens.

        Args:
            stdin: The writing end of the server's input.
            stdout: The reading end of its output.
        """
        loop = asyncio.get_running_loop()
        try:
            self._writer, _ = await loop.connect_write_pipe(lambda: self._flow, stdin)
            self._reader, _ = await loop.connect_read_pipe(lambda: _Feed(self._feed, self.ended.set), stdout)
        finally:
            if self._writer is None:
                stdin.close()
            if self._reader is None:
                stdout.close()

    async def send(self, line: bytes) -> None:
        """Write a line; waits while the server does not read. Lines are written in the order of the calls.

        Raises:
            PipeClosedError: The server reads no more.
        """
        self._sending += 1
        try:
            async with self._turn:
                await self._flow.writable.wait()
                if self._writer is None or self._writer.is_closing():
                    raise PipeClosedError
                self._writer.write(line + b"\n")
        finally:
            self._sending -= 1

    def send_now(self, line: bytes) -> bool:
        """Write a line, if nothing has to be waited for. Returns whether it was written."""
        if self._sending or not self._flow.writable.is_set() or self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(line + b"\n")
        return True

    def close_input(self) -> None:
        """Tell the server that nothing more comes, as soon as it has read what was written."""
        if self._writer is not None:
            self._writer.close()

    def close(self) -> None:
        """Close both directions at once."""
        if self._writer is not None and not self._flow.lost:
            self._writer.abort()
        if self._reader is not None:
            self._reader.close()

    def _feed(self, part: bytes) -> None:
        for line in self._lines.feed(part):
            self._on_line(line)


class _Feed(asyncio.Protocol):
    """The reading half."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._on_end()


class _Flow(asyncio.BaseProtocol):
    """The writing half: whether the server keeps up."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self.lost = False
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        # Who waits to write shall learn that it cannot.
        del exc
        self.lost = True
        self.writable.set()
        self._on_end()
