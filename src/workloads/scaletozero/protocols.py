"""What forbids and allows sleeping on a platform, and what decides when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.status import Status

__all__ = (
    "AsyncController",
    "AsyncToggler",
    "AsyncTogglerWithState",
    "Controller",
    "Toggler",
    "TogglerState",
    "TogglerWithState",
)

TogglerState = Literal["awake", "asleep", "unknown"]
"""What a platform says: sleeping is forbidden (``awake``), it is allowed or has begun (``asleep``), or neither."""


class Toggler(Protocol):
    """Forbids and allows sleeping on one platform. Blocking; a controller makes one call at a time.

    Both methods may be called again when they have taken effect already, and then change nothing. One that raises has
    changed nothing; where it cannot know that, it raises ``TimeoutError``. A ``disable`` that raises is followed by an
    ``enable`` sooner or later, unless sleeping is to be forbidden still.

    A toggler may also have ``drives``, true when it wakes and puts to sleep itself, so that ``disable`` returns when
    the workload is started, and ``state``, see :class:`TogglerWithState`.
    """

    def disable(self) -> None:
        """Forbid sleeping. When this returns, it is forbidden."""
        ...

    def enable(self) -> None:
        """Allow sleeping."""
        ...


@runtime_checkable
class TogglerWithState(Toggler, Protocol):
    """A toggler that can look. It is asked when a call failed or did not return in time."""

    def state(self) -> TogglerState:
        """What holds now. May be called while another call does not return."""
        ...


class AsyncToggler(Protocol):
    """A :class:`Toggler` for asyncio."""

    async def disable(self) -> None:
        """Forbid sleeping. When this returns, it is forbidden."""
        ...

    async def enable(self) -> None:
        """Allow sleeping."""
        ...


@runtime_checkable
class AsyncTogglerWithState(AsyncToggler, Protocol):
    """A :class:`TogglerWithState` for asyncio."""

    async def state(self) -> TogglerState:
        """What holds now. May be called while another call does not return."""
        ...


class Controller(Protocol):
    """Decides when sleeping is forbidden: while anybody holds it awake, or any name has disabled it. For any thread."""

    def acquire(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> Hold:
        """Forbid sleeping while the hold that is returned lives.

        Args:
            owner: Who holds it, for people.
            reason: What for.
            ttl: Seconds after which it is released by itself; None (the default) for never.
            timeout: Seconds to wait for sleeping to be forbidden; None (the default) for as long as the toggler may
                take.

        Raises:
            ToggleError: Sleeping could not be forbidden; nothing is held.
            ToggleTimeoutError: Not in time; nothing is held.
            ControllerClosedError: The controller was closed.
        """
        ...

    def release(self, hold: Hold) -> None:
        """End a hold. Does nothing when it has ended, or belongs to another process."""
        ...

    def hold(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> AbstractContextManager[Hold]:
        """Forbid sleeping for the length of a ``with`` block, which is not entered when that fails.

        Args and errors are those of :meth:`acquire`.
        """
        ...

    def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """Forbid sleeping until the same name is enabled. Repeating it changes nothing, but may lengthen its time.

        Args:
            name: Whose wish it is: 1 to 128 letters, digits, ``.``, ``_`` or ``-``.
            ttl: Seconds after which it ends by itself; None (the default) for never. A time that is left is never
                shortened.

        Raises:
            ToggleError: Sleeping could not be forbidden; the name does not forbid it.
            TooManyDisablesError: Too many names forbid it.
            InvalidNameError: That cannot be a name.
            ControllerClosedError: The controller was closed.
        """
        ...

    def enable(self, name: str = "default") -> None:
        """Allow sleeping again, as far as this name is concerned. Repeating it changes nothing.

        Args:
            name: As for :meth:`disable`.

        Raises:
            ToggleError: Sleeping should be allowed now and could not be. It will be tried again, at once when this is
                called again.
            InvalidNameError: That cannot be a name.
            ControllerClosedError: The controller was closed.
        """
        ...

    def status(self) -> Status:
        """Who forbids sleeping, for how long, and what will happen next. Never wakes anything."""
        ...

    def close(self) -> object:
        """Let go. Can be repeated."""
        ...


class AsyncController(Protocol):
    """A :class:`Controller` for asyncio."""

    async def acquire(
        self,
        owner: str = "",
        *,
        reason: str = "",
        ttl: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the same parameters as the protocol for threads
    ) -> Hold:
        """As :meth:`Controller.acquire`. When the caller is cancelled, nothing is held."""
        ...

    async def release(self, hold: Hold) -> None:
        """As :meth:`Controller.release`. When the caller is cancelled, the hold has ended all the same."""
        ...

    def hold(
        self, owner: str = "", *, reason: str = "", ttl: float | None = None, timeout: float | None = None
    ) -> AbstractAsyncContextManager[Hold]:
        """As :meth:`Controller.hold`, for ``async with``."""
        ...

    async def disable(self, name: str = "default", *, ttl: float | None = None) -> None:
        """As :meth:`Controller.disable`."""
        ...

    async def enable(self, name: str = "default") -> None:
        """As :meth:`Controller.enable`."""
        ...

    def status(self) -> Status:
        """As :meth:`Controller.status`."""
        ...

    async def close(self) -> object:
        """As :meth:`Controller.close`."""
        ...
