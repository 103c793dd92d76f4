"""Heads of answers that a server has sent before. The same bytes mean the same, so they are parsed and read only once.

Servers repeat themselves: but for the second of the date, answers of one length mostly have the same head. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.upstream.framing import Chunks, Counted, UntilClosed

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from workloads.proxyrunner.upstream.framing import Framing

__all__ = ("AnswerHead", "KnownAnswers")

_SESSION = b"mcp-session-id"
_BRIEF = 2**16
"""Bytes of a body that is probably on its way when its head has come."""
_BODILESS = frozenset((204, 304))
_MOST = 32
_LONGEST = 2**11
_MOST_SENT = 4


class AnswerHead:
    """The head of an answer, and what was found out about it.

    Args:
        status: The HTTP status.
        headers: The headers, names in lower case.
        keep_alive: Whether the connection may go on to another answer.

    Raises:
        ValueError: It has a transfer coding that is not known, or a length that is no number.
    """

    __slots__ = (
        "_chunked", "_length", "bodiless", "brief", "headers", "keep_alive", "names_session", "sent", "status",
    )  # fmt: skip

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], *, keep_alive: bool) -> None:
        """Read how the body is told from what follows it."""
        self.status = status
        """The HTTP status."""
        self.headers = headers
        """The headers, names in lower case."""
        self.keep_alive = keep_alive
        """Whether the connection may go on to another answer."""
        self.names_session = False
        """Whether it tells the client a session."""
        self._length: int | None = None
        self._chunked = False
        self.sent: dict[Hashable, Any] = {}
        """What was sent to clients in its place, by the way in which that is told; see :meth:`send`."""
        for name, value in headers:
            if name == b"content-length":
                self._length, self._chunked = int(value), False
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise ValueError(f"transfer-encoding {value.decode('latin-1')}")
                self._chunked = True
            elif name == _SESSION:
                self.names_session = True
        self.bodiless = status in _BODILESS
        """Whether no body follows, whatever the headers say."""
        length = 0 if self._chunked or self.bodiless else self._length or 0
        self.brief = length if length <= _BRIEF else 0
        """Bytes of a small body that follows; 0 where none does, or that is not known."""

    def framing(self) -> Framing:
        """Where the body of another answer ends."""
        if self._chunked:
            return Chunks()
        return UntilClosed() if self._length is None else Counted(self._length)

    def send(self, way: Hashable, head: object) -> None:
        """This is what is sent to a client in its place in that way."""
        if len(self.sent) >= _MOST_SENT:
            self.sent.clear()
        self.sent[way] = head


class KnownAnswers:
    """The last heads of the answers of some servers."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """None has come."""
        self._known: dict[bytes, AnswerHead] = {}

    def find(self, text: bytes) -> AnswerHead | None:
        """The head that these bytes are; None when they are not known."""
        return self._known.get(text)

    def learn(self, text: bytes, head: AnswerHead) -> None:
        """Know a head from now on.

        Args:
            text: All of its bytes.
            head: What they mean.
        """
        if len(text) <= _LONGEST:
            if len(self._known) >= _MOST and text not in self._known:
                self._known.clear()
            self._known[text] = head
