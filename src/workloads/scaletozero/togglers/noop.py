"""A toggler where nothing sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.scaletozero.protocols import TogglerState

__all__ = ("NoopToggler",)


class NoopToggler:
    """Only remembers what it was told, for programs that run where nothing sleeps."""

    drives = False

    def __init__(self) -> None:
        """Sleeping is allowed."""
        self._forbidden = False

    def disable(self) -> None:
        """Forbid sleeping."""
        self._forbidden = True

    def enable(self) -> None:
        """Allow sleeping."""
        self._forbidden = False

    def state(self) -> TogglerState:
        """What it was told last."""
        return "awake" if self._forbidden else "asleep"
