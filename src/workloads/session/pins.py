"""Which replica a session is pinned to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from workloads.session.model import Session

__all__ = ("BACKEND_SID_KEY", "BACKEND_URL_KEY", "Pin")

BACKEND_URL_KEY = "backend_url"
"""The key of metadata that tells where the replica is, as ToolHive writes it."""

BACKEND_SID_KEY = "backend_sid"
"""The key of metadata that tells by which id the replica knows the session, when it is another one."""


@attrs.frozen
class Pin:
    """A replica, and the session with it.

    Attributes:
        backend_url: Where the replica is; None when there is none.
        backend_sid: The id by which it knows the session; None when it is the session's own.
    """

    backend_url: str | None
    backend_sid: str | None

    @classmethod
    def of(cls, session: Session) -> Self:
        """The pin of a session."""
        return cls(session.metadata.get(BACKEND_URL_KEY), session.metadata.get(BACKEND_SID_KEY))

    def on(self, session: Session, now: datetime) -> Session:
        """The session with this pin.

        Args:
            session: The session; all else of it stays.
            now: When it is changed.
        """
        others = {key: text for key, text in session.metadata.items() if key not in {BACKEND_URL_KEY, BACKEND_SID_KEY}}
        pin = {BACKEND_URL_KEY: self.backend_url, BACKEND_SID_KEY: self.backend_sid}
        metadata = {**others, **{key: text for key, text in pin.items() if text is not None}}
        return attrs.evolve(session, metadata=metadata, updated_at=now)
