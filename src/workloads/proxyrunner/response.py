"""A response as the bytes that a client gets. Pure."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workloads.proxyrunner.upstream.framing import Part

__all__ = ("Response", "whole")

_OURS = frozenset((b"connection", b"content-length", b"transfer-encoding"))
_CLOSE = b"connection: close\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class Response:
    """A response that goes out part by part.

    Args:
        status: The HTTP status.
        headers: The headers. How the body is told from what follows is added, unless they have a ``content-length``;
            a status that can have neither gets neither.
        bodiless: Whether a response to this method has no body, whatever its headers say.
        chunks: Whether the client knows bodies in chunks; else one of unknown length ends with the connection.
        keep_alive: Whether the connection may go on to another request.

    Raises:
        ValueError: A header has a character that would end it, or the content length is no number.
    """

    __slots__ = ("_bodiless", "_chunked", "_left", "head", "keep_alive")

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        bodiless: bool = False,
        chunks: bool = True,
        keep_alive: bool = True,
    ) -> None:
        """Compose the head."""
        lengthless = status < 200 or status == 204
        self._bodiless = bodiless or lengthless or status == 304
        self._left: int | None = None
        lines = [_status_line(status)]
        closes = False
        for name, value in headers:
            name = name.lower()
            if name in _OURS:  # of nearly all headers one look-up tells that they are not
                if name == b"content-length":
                    if lengthless:
                        continue  # not even that of nothing (RFC 9110, section 8.6)
                    self._left = int(value)
                elif name == b"transfer-encoding":
                    continue
                elif b"close" in value.lower():
                    closes = True
            lines.append(b"%s: %s\r\n" % (name, value))
        self._chunked = self._left is None and chunks and not self._bodiless
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        self.keep_alive = keep_alive and not closes and (self._chunked or self._bodiless or self._left is not None)
        """Whether the connection may go on to another request, by what its head says."""
        if not self.keep_alive and not closes:
            lines.append(_CLOSE)
        head = b"".join(lines)
        if not len(lines) == head.count(b"\n") == head.count(b"\r") or b"\0" in head:
            raise ValueError("a header of the response has a line break, or a zero")
        self.head = head + b"\r\n"
        """The head, its empty line included."""

    @property
    def due(self) -> int:
        """Bytes of the body that are still to come, by what the head tells; 0 where it does not tell."""
        return 0 if self._bodiless else self._left or 0

    def part(self, body: bytes, *, last: bool) -> Sequence[Part]:
        """What goes out for a part of the body.

        Args:
            body: The part.
            last: Whether it is the last one.

        Raises:
            ValueError: The body is longer, or shorter, than the head says.
        """
        return self.parts((body,) if body else (), last=last)

    def parts(self, parts: Sequence[Part], *, last: bool) -> Sequence[Part]:
        """As :meth:`part`, for several that come at once.

        Args:
            parts: The parts, none of them empty.
            last: Whether they are the last ones.

        Raises:
            ValueError: The body is longer, or shorter, than the head says.
        """
        if self._bodiless:
            return ()
        size = sum(map(len, parts))
        if self._chunked:
            if not size:
                return (_LAST_CHUNK,) if last else ()
            return b"%x\r\n" % size, *parts, b"\r\n" + _LAST_CHUNK if last else b"\r\n"
        if self._left is not None:
            self._left -= size
            if self._left < 0 or (last and self._left):
                raise ValueError("the body of the response has not the length that its head tells")
        return parts


def whole(status: int, text: str) -> bytes:
    """A whole response for people, after which the connection is closed."""
    body = text.encode()
    headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)))
    return Response(status, headers, keep_alive=False).head + body


@cache
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode())
