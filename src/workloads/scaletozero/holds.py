"""A hold: the token that forbids sleeping while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from workloads.scaletozero import _forks

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Hold", "HoldKeeper")


class HoldKeeper(Protocol):
    """What makes holds, and is asked to end them."""

    @property
    def release_hold(self) -> Callable[[Hold], None]:
        """What ends a hold, from any thread."""
        ...


class Hold:
    """Forbids sleeping until it is released, by its owner or because its time is up. Compared by identity.

    A controller makes it. In a forked child it is not a hold of the child's, and releasing it does nothing.

    Attributes:
        owner: Who holds.
        reason: What for.
        since: When it was asked for, by the clock of its controller.
        expires: When it ends by itself, by the same clock; None for never.
        live: Whether it has not ended.
    """

    __slots__ = ("_generation", "_keeper", "expires", "live", "owner", "reason", "since")

    def __init__(self, keeper: HoldKeeper, owner: str, reason: str, since: float, expires: float | None) -> None:
        """A hold that its controller has still to keep.

        Args:
            keeper: The controller, which is asked to release it.
            owner: Who holds.
            reason: What for.
            since: When it was asked for.
            expires: When it ends by itself; None for never.
        """
        self.owner = owner
        self.reason = reason
        self.since = since
        self.expires = expires
        self.live = True
        self._keeper = keeper
        self._generation = _forks.count

    def __repr__(self) -> str:
        return f"<Hold owner={self.owner!r} reason={self.reason!r}{'' if self.live else ' released'}>"

    @property
    def foreign(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self._generation != _forks.count

    def release(self) -> None:
        """End it, from any thread. Can be repeated; never raises."""
        if self.live and not self.foreign:
            self._keeper.release_hold(self)
