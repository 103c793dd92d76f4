"""Answers that come on a stream of another proxy than the one they were asked for at.

In the old SSE transport a client posts to any proxy, and what the server answers comes on the client's one stream. The
proxy that holds that must not end it before; so what is asked for elsewhere is kept with the session, until it comes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import attrs

from workloads.errors import SessionForbiddenError, SessionNotFoundError
from workloads.proxyrunner.gate import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workloads.session import Identity, Session, SessionManager

__all__ = ("Awaited",)

_AWAITED = "awaited"
_CANCELLED = "cancelled"
_ENDING = "stream_ending"
_MAX_CANCELLED = 100
"""How many cancelled requests are known of each stream: the last ones."""


class Awaited:
    """What is awaited on the streams of a workload, as all its proxies know it.

    Args:
        manager: Where sessions are kept. It is closed by whoever made it.
    """

    def __init__(self, manager: SessionManager) -> None:
        """Nothing is asked yet."""
        self._manager = manager

    async def expect(self, session: Session, request: str, identity: Identity | None) -> None:
        """A client is about to post a request, at a proxy that does not hold its stream.

        Args:
            session: The session of the stream.
            request: The id of the request, as JSON.
            identity: Who posts; None for nobody in particular.

        Raises:
            UnavailableError: The stream is about to end: the answer would not come on it any more.
            SessionStoreUnavailableError: It cannot be kept.
        """

        def add(stream: _Stream) -> None:
            if stream.ending:
                raise UnavailableError("The stream of this session is about to end")
            stream.awaited.add(request)

        await self._change(session, identity, add)

    async def settle(self, session: Session, requests: Iterable[str], identity: Identity | None) -> None:
        """These are awaited no more: they were answered, or not accepted.

        Raises:
            SessionStoreUnavailableError: That cannot be kept.
        """
        await self._change(session, identity, lambda stream: stream.awaited.difference_update(requests))

    async def cancel(self, session: Session, request: str, identity: Identity | None) -> None:
        """A client has cancelled a request, at a proxy that does not hold its stream, wherever it was posted.

        Raises:
            SessionStoreUnavailableError: That cannot be kept.
        """

        def cancel(stream: _Stream) -> None:
            if request in stream.awaited:
                stream.awaited.remove(request)
            else:
                stream.cancelled = [*stream.cancelled, request][-_MAX_CANCELLED:]

        await self._change(session, identity, cancel)

    async def end(self, session: Session, identity: Identity | None) -> tuple[bool, list[str]]:
        """The stream of a session is to end: from here on, no request is posted anywhere whose answer it would miss.

        Returns:
            Whether some are still awaited that were posted at other proxies, and which requests were cancelled there
            that were posted at the one that holds the stream, as JSON.

        Raises:
            SessionStoreUnavailableError: It is not known.
        """
        seen = await self._get(session, identity)
        stream = None if seen is None else _Stream.of(seen)
        if stream is not None and not stream.ending:
            stream = await self._change(session, identity, _Stream.mark)
        return (False, []) if stream is None else (bool(stream.awaited), stream.cancelled)

    async def _get(self, session: Session, identity: Identity | None) -> Session | None:
        try:
            return await self._manager.get(session.id, identity=identity)
        except (SessionNotFoundError, SessionForbiddenError):
            return None

    async def _change(
        self, session: Session, identity: Identity | None, change: Callable[[_Stream], None]
    ) -> _Stream | None:
        """Change what is kept of a stream. Returns what is kept then; None when the session is over.

        Also where nothing changes it is written: what is read may be old, and only a write tells.
        """
        while (seen := await self._get(session, identity)) is not None:
            stream = _Stream.of(seen)
            change(stream)
            changed = attrs.evolve(seen, metadata=stream.on(seen), updated_at=datetime.now(UTC))
            if await self._manager.update(changed, expected=seen):
                return stream
            # Another proxy was faster. As each that fails means one that got on, this does not go on for ever.
        return None


@attrs.define
class _Stream:
    """What is kept with the session of a stream."""

    awaited: set[str]
    cancelled: list[str]
    ending: bool

    @classmethod
    def of(cls, session: Session) -> Self:
        awaited, cancelled = (json.loads(session.metadata.get(key, "[]")) for key in (_AWAITED, _CANCELLED))
        return cls(set(awaited), cancelled, _ENDING in session.metadata)

    def mark(self) -> None:
        self.ending = True

    def on(self, session: Session) -> dict[str, str]:
        """The metadata of the session with this."""
        ours = {_AWAITED, _CANCELLED, _ENDING}
        metadata = {key: text for key, text in session.metadata.items() if key not in ours}
        if self.awaited:
            metadata[_AWAITED] = json.dumps(sorted(self.awaited))
        if self.cancelled:
            metadata[_CANCELLED] = json.dumps(self.cancelled)
        if self.ending:
            metadata[_ENDING] = "true"
        return metadata
