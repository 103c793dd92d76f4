"""The replicas that are ready, and which of them a request goes to: the one that holds its session, or the idlest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from workloads.proxyrunner.balance import Balance
from workloads.proxyrunner.pins import Pin, Pins

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.address import ReplicaAddress

__all__ = ("Pool", "Sought", "UnknownSessionError", "Visit")

_GONE = 404


class UnknownSessionError(Exception):
    """No replica that is ready holds the session of the request."""


class Sought(Protocol):
    """What a pool wants to know of a request."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def session(self) -> str | None:
        """The session it names; None in a version of the protocol that has none."""
        ...

    @property
    def begins(self) -> bool:
        """Whether it begins a session."""
        ...

    def forget_session(self) -> None:
        """Do not tell the server of the session it names."""
        ...


@attrs.define(eq=False)
class _Place:
    """A replica in the pool.

    Attributes:
        address: Where it listens.
        busy: How many exchanges with it are under way.
        gone: Whether it has left the pool.
    """

    address: ReplicaAddress
    busy: int = 0
    gone: bool = False


class Visit:
    """One request at one replica.

    Args:
        sought: The request.
        place: The replica.
        pins: Where sessions are remembered; None where none is.
        pin: The session of the request.
    """

    def __init__(self, sought: Sought, place: _Place, pins: Pins[_Place] | None, pin: Pin[_Place] | None) -> None:
        """Begin; :meth:`end` must follow."""
        self._sought = sought
        self._place = place
        self._pins = pins
        self._pin = pin
        self._ended = False
        place.busy += 1
        if pins is not None and pin is not None:
            pins.enter(pin)

    @property
    def address(self) -> ReplicaAddress:
        """Where the replica listens."""
        return self._place.address

    @property
    def place(self) -> object:
        """What stands for the replica, as long as that is in the pool."""
        return self._place

    async def answered(self, status: int, session: str | None) -> None:
        """The replica has begun to answer. The client sees nothing of that before this returns.

        Args:
            status: The HTTP status.
            session: The session that the answer names.
        """
        pins, done = self._pins, 200 <= status < 300
        if pins is None:
            return
        if self._pin is not None:
            if self._sought.method == "DELETE" and (done or status == _GONE) and self._sought.session is not None:
                pins.drop(self._sought.session)
        elif session and done and self._sought.begins:
            pins.pin(session, self._place)

    def end(self) -> None:
        """The exchange is over. Idempotent."""
        if self._ended:
            return
        self._ended = True
        self._place.busy -= 1
        if self._pins is not None and self._pin is not None:
            self._pins.leave(self._pin)


class Pool:
    """The replicas that are ready.

    Args:
        sessions: Whether servers have sessions, each known to the replica that began it only.
        ttl: Seconds without an exchange after which a session is forgotten.
        clock: The time, in seconds.
    """

    def __init__(self, *, sessions: bool, ttl: float, clock: Callable[[], float]) -> None:
        """Begin empty."""
        self._places: list[_Place] = []
        self._balance = Balance()
        self._pins: Pins[_Place] | None = Pins(ttl=ttl, clock=clock) if sessions else None

    def __len__(self) -> int:
        return len(self._places)

    def add(self, target: ReplicaAddress) -> None:
        """A replica is ready."""
        self._places.append(_Place(target))

    def remove(self, target: ReplicaAddress) -> None:
        """A replica is ready no more; the sessions it held are lost.

        Args:
            target: The very object that was added: another run of a replica may listen at an equal address.
        """
        for place in self._places:
            place.gone = place.gone or place.address is target
        self._places = [place for place in self._places if not place.gone]

    async def visit(self, sought: Sought, *, after: Visit | None = None) -> Visit:
        """Choose the replica for a request. The pool must not be empty.

        Args:
            sought: The request.
            after: The visit that failed before, whose replica is avoided if there is another.

        Raises:
            UnknownSessionError: It is of a session that no replica holds.
        """
        session = sought.session
        if self._pins is not None and session is not None:
            if not sought.begins:
                pin = self._pins.find(session)
                if pin is None or pin.holder.gone:
                    self._pins.drop(session)
                    raise UnknownSessionError
                return Visit(sought, pin.holder, self._pins, pin)
            sought.forget_session()
        return Visit(sought, self._idlest(after), self._pins, None)

    def _idlest(self, after: Visit | None) -> _Place:
        places = self._places
        if after is not None and len(places) > 1:
            places = [place for place in places if place is not after.place]
        return places[self._balance.choose([place.busy for place in places])]
