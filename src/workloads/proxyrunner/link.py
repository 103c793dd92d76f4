"""What a supervisor talks to a server through, and how that fails."""

from __future__ import annotations

from typing import Protocol, TypeVar

from workloads.errors import WorkloadFailedError

__all__ = ("Link", "OtherEraError", "RefusedError", "ServerGoneError", "TooSlowError")

T_co = TypeVar("T_co", covariant=True)


class ServerGoneError(Exception):
    """The server ended; the message says how."""


class RefusedError(Exception):
    """The server answered its opening request with an error, which is the message."""


class OtherEraError(Exception):
    """The server ended when it was asked in the way of one era; a new process should be asked in that of the other."""


class TooSlowError(WorkloadFailedError):
    """The server did not become ready in the time it had."""


class Link(Protocol[T_co]):
    """How the proxy talks to one started server."""

    @property
    def last_answer(self) -> str:
        """What the server said last when it was not ready; empty when it said nothing."""
        ...

    async def ready(self) -> tuple[T_co, float]:
        """Wait until it is ready. Returns what requests are sent to, and the seconds its answer took."""
        ...

    async def closed(self) -> None:
        """Wait until it cannot be talked to any more."""
        ...

    def fail(self, reason: str) -> None:
        """It has ended: tell whoever waits for it."""
        ...

    def close_input(self) -> None:
        """Tell it, in its protocol, that nothing more comes."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
