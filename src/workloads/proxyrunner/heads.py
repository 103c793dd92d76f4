"""Heads of requests that a client has sent before. The same bytes mean the same, so they are parsed and read only once.

Clients repeat themselves: but for the length of the body nearly all heads on one connection are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Scope
    from workloads.proxyrunner.headers import RequestHead

__all__ = ("KNOWN", "KnownHead", "KnownHeads")

KNOWN = "workloads.head"
"""The key of the scope under which the :class:`KnownHead` of a request is, if it has one."""

_END = b"\r\n\r\n"
_MOST = 8
_LONGEST = 2**12


class KnownHead:
    """A head that has come before, with what was found out about it.

    Args:
        scope: The ASGI scope that was made of it.
        length: Bytes of the body that follows it.
    """

    __slots__ = ("_scope", "allowed", "length", "plain", "request", "sent")

    def __init__(self, scope: Scope, length: int) -> None:
        """Nothing has been found out."""
        self._scope = scope
        self.length = length
        """Bytes of the body that follows it."""
        self.allowed = False
        """Whether a request with it has been let pass."""
        self.plain = False
        """Whether nothing in it stands in the way of sending a request on at once."""
        self.request: RequestHead | None = None
        """What the proxy wants to know of it."""
        self.sent: dict[bytes, bytes] = {}
        """What goes to a server in its place, by the server's host and port."""

    def scope(self) -> Scope:
        """The ASGI scope of another request."""
        return {**self._scope, "headers": [*self._scope["headers"]], KNOWN: self}


class KnownHeads:
    """The last heads of one connection."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """None has come."""
        self._known: dict[bytes, KnownHead] = {}

    def find(self, data: bytes) -> tuple[KnownHead | None, int]:
        """The head with which a request begins, and where it ends.

        Args:
            data: What came, which begins with a request.

        Returns:
            None in its place when that head is not known, or more came than one request.
        """
        end = data.find(_END) + len(_END)
        known = self._known.get(data[:end])
        return (known if known is None or len(data) - end <= known.length else None), end

    def learn(self, data: bytes, body: bytes, scope: Scope, length: int) -> None:
        """Know a head from now on.

        Args:
            data: What came, which begins with the head.
            body: What the parser took for the body in it.
            scope: The ASGI scope that was made of it.
            length: Bytes that the whole body has.
        """
        end = data.find(_END) + len(_END)
        # Of what is not as plain as that, the parser shall tell each time where the head ends.
        if len(_END) <= end <= _LONGEST and data[end:] == body:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[data[:end]] = KnownHead(scope, length)
