"""The stream in which an engine sends both outputs of a container, taken apart. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ("STDERR", "STDOUT", "Frame", "FrameReader")

STDOUT = 1
STDERR = 2

_HEADER = struct.Struct(">BxxxL")


class Frame(NamedTuple):
    """A piece of output.

    Attributes:
        stream: Which output it is of: ``STDOUT`` or ``STDERR``.
        data: The piece.
    """

    stream: int
    data: bytes


class FrameReader:
    """Takes bytes as they come and gives pieces of output as soon as there is anything of them.

    Each frame has a header of eight bytes: the number of the stream, three zeros, and the length as a big-endian number
    (Docker Engine API, "Attach to a container").
    """

    def __init__(self) -> None:
        """Begin between two frames."""
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The output in these bytes.

        Args:
            data: What came next.
        """
        frames: list[Frame] = []
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                frames.append(Frame(self._stream, piece))
                continue
            missing = _HEADER.size - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == _HEADER.size:
                self._stream, self._left = _HEADER.unpack(self._header)
                self._header = b""
        return frames
