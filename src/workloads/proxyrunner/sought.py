"""A request as those see it who choose where it goes, and why it may go nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workloads.session import Identity

__all__ = ("SessionTakenError", "Sought", "UnknownSessionError")


class UnknownSessionError(Exception):
    """No replica holds the session of the request, and it cannot be begun again."""


class SessionTakenError(Exception):
    """A server named a new session as another one is named already."""


class Sought(Protocol):
    """A request whose place is sought."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def target(self) -> bytes:
        """Path and query as the client encoded them."""
        ...

    @property
    def session(self) -> str | None:
        """The session it names; None in a version of the protocol that has none."""
        ...

    @property
    def begins(self) -> bool:
        """Whether it begins a session."""
        ...

    def trail_here(self) -> str | None:
        """As :meth:`trail`, as far as what is here of its body tells."""
        ...

    async def trail(self) -> str | None:
        """The state it gives back, or the task it asks for: what ties it to a replica though it has no session."""
        ...

    @property
    def body(self) -> bytes:
        """Its body, or how that begins."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Who sends it, where that is proven; None for nobody in particular."""
        ...

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers for the server."""
        ...

    def name_session(self, name: str | None) -> None:
        """Call the session so towards the server; None names none."""
        ...
