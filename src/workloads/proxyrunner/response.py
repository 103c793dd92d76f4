"""A response as the bytes that a client gets. Pure."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.proxyrunner.asgi import Headers
    from workloads.proxyrunner.upstream.framing import Part

__all__ = ("Head", "Response", "whole")

_OURS = frozenset((b"connection", b"content-length", b"transfer-encoding"))
_CLOSE = b"connection: close\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class Head:
    """The head of a response, as bytes.

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

    __slots__ = ("bodiless", "chunked", "headers", "keep_alive", "length", "status", "text")

    def __init__(
        self,
        status: int,
        headers: Headers,
        *,
        bodiless: bool = False,
        chunks: bool = True,
        keep_alive: bool = True,
    ) -> None:
        """Compose it."""
        self.status = status
        """The HTTP status."""
        self.headers = headers
        """The headers as they were given."""
        lengthless = status < 200 or status == 204
        self.bodiless = bodiless or lengthless or status == 304
        """Whether no body follows."""
        self.length: int | None = None
        """Bytes of the body, where that is told."""
        lines = [_status_line(status)]
        closes = False
        for name, value in headers:
            name = name.lower()
            if name in _OURS:  # of nearly all headers one look-up tells that they are not
                if name == b"content-length":
                    if lengthless:
                        continue  # not even that of nothing (RFC 9110, section 8.6)
                    self.length = int(value)
                elif name == b"transfer-encoding":
                    continue
                elif b"close" in value.lower():
                    closes = True
            lines.append(b"%s: %s\r\n" % (name, value))
        self.chunked = self.length is None and chunks and not self.bodiless
        """Whether the body goes out in chunks."""
        if self.chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        self.keep_alive = keep_alive and not closes and (self.chunked or self.bodiless or self.length is not None)
        """Whether the connection may go on to another request, by what it says."""
        if not self.keep_alive and not closes:
            lines.append(_CLOSE)
        text = b"".join(lines)
        if not len(lines) == text.count(b"\n") == text.count(b"\r") or b"\0" in text:
            raise ValueError("a header of the response has a line break, or a zero")
        self.text = text + b"\r\n"
        """Its bytes, the empty line included."""

    def followed_by(self, body: bytes) -> bytes:
        """The whole response.

        Raises:
            ValueError: The body is longer, or shorter, than the head says.
        """
        if len(body) == self.length and not self.bodiless:
            return self.text + body
        return b"".join((self.text, *Response(self).part(body, last=True)))


class Response:
    """A response that goes out part by part.

    Args:
        head: Its head.
    """

    __slots__ = ("_left", "head")

    def __init__(self, head: Head) -> None:
        """Nothing of the body has gone out."""
        self.head = head
        """Its head."""
        self._left = head.length

    @property
    def due(self) -> int:
        """Bytes of the body that are still to come, by what the head tells; 0 where it does not tell."""
        return 0 if self.head.bodiless else self._left or 0

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
        if self.head.bodiless:
            return ()
        size = sum(map(len, parts))
        if self.head.chunked:
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
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    return Head(status, headers, keep_alive=False).text + body


@cache
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode())
