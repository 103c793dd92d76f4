"""A request of the old SSE transport, whose clients are told by their stream where to post."""

from __future__ import annotations

import attrs

from workloads.proxyrunner.exchange import Exchange

__all__ = ("SseExchange",)


@attrs.define
class SseExchange(Exchange):
    """A request. What names its session is the endpoint that it is posted to, path and query."""

    @property
    def session(self) -> str | None:
        """The session it names; None where it opens a stream, and with that a session."""
        return self.target.decode("latin-1") if self.method == "POST" else None

    @property
    def begins(self) -> bool:
        """Never: ``initialize`` is one message among others, sent when the session is there."""
        return False

    @property
    def discovers(self) -> bool:
        """Never: whatever a server of this transport says of the new era, it does not speak it."""
        return False
