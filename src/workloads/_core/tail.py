"""The lines of log files, those that are there and those that come."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from workloads._core.streams import ClosingStream
from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ("MAX_LINE", "LineStream")

MAX_LINE = 64 * 1024
"""How many bytes of a line are told as one; the rest of a longer line is told as the next."""

_BLOCK = 64 * 1024
_POLL = 0.05


class LineStream(ClosingStream[str]):
    """The last lines of log files and, when it follows, those that are appended.

    What is there is told file by file, what comes in the order in which it is seen. A file may be missing, may be
    renamed and begun anew, and may be cut. Lines come without their end; bytes that are not UTF-8 are replaced; a line
    longer than 64 KiB comes in several. A last line without an end is told when no more can come.

    Use it from any thread, and close it: it holds the files open.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        lines: int | None = None,
        follow: bool = False,
        ended: Callable[[], bool] | None = None,
    ) -> None:
        """Open the files.

        Args:
            paths: The files.
            lines: How many of the last lines of each file that are there now; None (the default) is all, 0 is none.
            follow: Whether to go on with the lines that are appended (default False).
            ended: Tells that nothing is written any more: what is there is told, and the stream ends. None (the
                default) follows until the stream is closed.

        Raises:
            ValueError: ``lines`` is negative.
            StateError: A file cannot be read.
        """
        if lines is not None and lines < 0:
            raise ValueError(f"lines must not be negative, got {lines}")
        super().__init__()
        self._files = [_GrowingFile(path) for path in paths]
        self._lines = self._read(follow=follow, ended=ended)
        try:
            for file in self._files:
                file.open_at_last(lines)
        except BaseException:
            self.close()
            raise

    def _next(self) -> str | None:
        return next(self._lines, None)

    def _interrupt(self) -> None:
        """Nothing: it waits for `_closed` alone."""

    def _free(self) -> None:
        for file in self._files:
            file.close()

    def _read(self, *, follow: bool, ended: Callable[[], bool] | None) -> Iterator[str]:
        for file in self._files:
            yield from file.new_lines()
            if not follow:
                yield from file.unfinished_line()
        while follow:
            # Asked before reading: what was written before the end is then read after it.
            last = ended is not None and ended()
            for file in self._files:
                yield from file.new_lines()
            if last or self._closed.wait(_POLL):
                break
        for file in self._files:
            yield from file.unfinished_line()


class _GrowingFile:
    """A file that is appended to, under a name that may come to mean another file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self._buffer = b""

    def open_at_last(self, lines: int | None) -> None:
        """Open the file where its last ``lines`` lines begin; None is the beginning."""
        self._open()
        if self._file is not None and lines is not None:
            self._file.seek(_last_lines(self._file, lines))

    def new_lines(self) -> Iterator[str]:
        """What was appended since the last time, as far as it ends."""
        while self._file is not None or self._open():
            assert self._file is not None
            replaced = self._is_replaced()  # asked first: what was written to the old file is then read before the new
            if self._is_cut():
                yield from self.unfinished_line()
                self._file.seek(0)
            while block := self._file.read(_BLOCK):
                self._buffer += block
                yield from self._finished_lines()
            if not replaced:
                return
            yield from self.unfinished_line()
            self.close()

    def unfinished_line(self) -> Iterator[str]:
        """What came after the last end of a line."""
        if self._buffer:
            line, self._buffer = self._buffer, b""
            yield _text(line.removesuffix(b"\r"))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = io.FileIO(self._path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(self._path, f"cannot be read: {error.strerror}") from error
        return True

    def _is_replaced(self) -> bool:
        assert self._file is not None
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            return False  # renamed, and the new one is still to come: until then the old one may be written

    def _is_cut(self) -> bool:
        assert self._file is not None
        return os.fstat(self._file.fileno()).st_size < self._file.tell()

    def _finished_lines(self) -> Iterator[str]:
        *finished, self._buffer = self._buffer.split(b"\n")
        for line in finished:
            yield from map(_text, _pieces(line.removesuffix(b"\r")))
        *finished, self._buffer = _pieces(self._buffer)
        yield from map(_text, finished)


def _pieces(line: bytes) -> list[bytes]:
    """A line in pieces of at most the allowed length, none of which ends within a character."""
    pieces: list[bytes] = []
    while len(line) > MAX_LINE:
        cut = MAX_LINE
        while cut > MAX_LINE - 4 and line[cut] & 0xC0 == 0x80:  # a byte that continues a character
            cut -= 1
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _last_lines(file: io.FileIO, count: int) -> int:
    """Where the last ``count`` lines of a file begin; an unfinished last one counts."""
    end = position = file.seek(0, os.SEEK_END)
    if not count:
        return end
    wanted = count
    while position:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start)
        search = len(block)
        if position == end and block.endswith(b"\n"):
            search -= 1  # ends the last line and begins none
        while (search := block.rfind(b"\n", 0, search)) >= 0:
            wanted -= 1
            if not wanted:
                return start + search + 1
        position = start
    return 0
