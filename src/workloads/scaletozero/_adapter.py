"""A toggler for threads, on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from workloads.scaletozero._offload import in_thread

if TYPE_CHECKING:
    from workloads.scaletozero.protocols import AsyncToggler, Toggler, TogglerState, TogglerWithState

__all__ = ("to_async_toggler",)


def to_async_toggler(toggler: Toggler) -> AsyncToggler:
    """Run a toggler for threads on asyncio, each call in a thread.

    Args:
        toggler: The toggler. It can be asked for its state through the result if it can be asked itself.
    """
    return _WithState(toggler) if callable(getattr(toggler, "state", None)) else _Offloaded(toggler)


class _Offloaded:
    def __init__(self, toggler: Toggler) -> None:
        self._toggler = toggler
        self.drives = bool(getattr(toggler, "drives", False))

    def __repr__(self) -> str:
        return f"to_async_toggler({self._toggler!r})"

    async def disable(self) -> None:
        """Forbid sleeping."""
        await in_thread("disable", self._toggler.disable)

    async def enable(self) -> None:
        """Allow sleeping."""
        await in_thread("enable", self._toggler.enable)


class _WithState(_Offloaded):
    async def state(self) -> TogglerState:
        """What holds now."""
        return await in_thread("state", cast("TogglerWithState", self._toggler).state)
