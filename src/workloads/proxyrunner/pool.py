"""The replicas of a workload, and which of them a request goes to: the one that holds its session, or the idlest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs
from cachetools import LRUCache

from workloads.proxyrunner.balance import Balance
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.sought import UnknownSessionError
from workloads.proxyrunner.trails import MAX_TRAILS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.affinity import Affinity
    from workloads.proxyrunner.awaited import Awaited
    from workloads.proxyrunner.shared_trails import SharedTrails
    from workloads.proxyrunner.sought import Sought
    from workloads.session import Identity, Session

__all__ = ("Place", "Pool", "Visit")

_GONE = 404


@attrs.define(eq=False)
class Place:
    """A replica in the pool.

    Attributes:
        address: Where it listens.
        ready: Whether it is ready, as far as is known.
        busy: How many exchanges with it are under way.
    """

    address: ReplicaAddress
    ready: bool = True
    busy: int = 0


class Visit:
    """One request at one replica.

    Args:
        sought: The request.
        place: The replica.
        affinity: Where sessions are remembered; None where none is.
        session: The session of the request.
        trails: Where states and tasks are remembered.
        shared: Where other proxies learn of them; None when there are no others.
    """

    __slots__ = ("_affinity", "_ended", "_shared", "_sought", "_trails", "place", "session", "tells", "untold")

    def __init__(
        self,
        sought: Sought,
        place: Place,
        affinity: Affinity | None,
        session: Session | None,
        trails: MutableMapping[str, Place],
        shared: SharedTrails | None = None,
    ) -> None:
        """Begin; :meth:`end` must follow."""
        self._sought = sought
        self._affinity = affinity
        self._trails = trails
        self._shared = shared
        self._ended = False
        self.tells = shared is not None
        """Whether other proxies are to know what is noted."""
        self.untold: list[str] = []
        """States and tasks of which the other proxies are to be told, by :meth:`tell`."""
        self.place = place
        """The replica."""
        self.session = session
        """The session of the request, as the proxies share it; None when it has none."""
        place.busy += 1
        if affinity is not None and session is not None:
            affinity.enter(self)

    @property
    def identity(self) -> Identity | None:
        """Who sends the request; None for nobody in particular."""
        return self._sought.identity

    @property
    def address(self) -> ReplicaAddress:
        """Where the replica listens."""
        return self.place.address

    async def answered(self, status: int, session: str | None) -> None:
        """The replica has begun to answer. The client sees nothing of that before this returns.

        Args:
            status: The HTTP status.
            session: The session that the answer names.

        Raises:
            SessionTakenError: The session that it begins is somebody else's.
            SessionStoreUnavailableError: The session it begins, or ends, cannot be remembered as such.
        """
        affinity, done = self._affinity, 200 <= status < 300
        if affinity is None:
            return
        if self.session is not None:
            if self._sought.method == "DELETE" and (done or status == _GONE):
                await affinity.end(self.session)
        elif session and done and self._sought.begins:
            await affinity.begin(session, self._sought, self.address)

    @property
    def remembers(self) -> bool:
        """Whether it matters that a session stays with its replica."""
        return self._affinity is not None

    async def opened(self, endpoint: str) -> None:
        """The replica has opened a stream, and what the client posts to this endpoint must reach the same replica.

        Args:
            endpoint: Path and query.

        Raises:
            SessionTakenError: Another replica has named that endpoint.
            SessionStoreUnavailableError: It cannot be remembered.
        """
        if self._affinity is not None:
            self.session = await self._affinity.begin(endpoint, self._sought, self.address)
            self._affinity.enter(self)

    @property
    def shares(self) -> bool:
        """Whether what is answered on its stream may have been asked for at another proxy."""
        return self._affinity is not None and self._affinity.awaited is not None

    async def expect(self, request: str) -> None:
        """The answer to what is about to be posted comes on a stream of another proxy.

        Args:
            request: The id of the request, as JSON.

        Raises:
            UnavailableError: That stream is about to end.
            SessionStoreUnavailableError: The other proxy cannot be told.
        """
        awaited, session = self._awaited
        if awaited is not None and session is not None:
            await awaited.expect(session, request, self.identity)

    async def cancel(self, request: str) -> None:
        """What is posted cancels a request whose answer would come on a stream of another proxy.

        Raises:
            SessionStoreUnavailableError: The other proxy cannot be told.
        """
        awaited, session = self._awaited
        if awaited is not None and session is not None:
            await awaited.cancel(session, request, self.identity)

    async def settle(self, requests: Iterable[str]) -> None:
        """These are awaited no more that were posted at other proxies than the one that holds the stream.

        Raises:
            SessionStoreUnavailableError: The other proxies cannot be told.
        """
        awaited, session = self._awaited
        if awaited is not None and session is not None:
            await awaited.settle(session, requests, self.identity)

    async def ending(self) -> tuple[bool, list[str]]:
        """Let nothing be posted any more whose answer would miss the end of the stream.

        Returns:
            Whether answers are due that were asked for at other proxies, and which requests, as JSON, were cancelled
            there that were posted here.

        Raises:
            SessionStoreUnavailableError: It is not known.
        """
        awaited, session = self._awaited
        if awaited is None or session is None:
            return False, []
        return await awaited.end(session, self.identity)

    async def closed(self) -> None:
        """The stream is over."""
        if self._affinity is not None and self.session is not None:
            await self._affinity.lost(self.session)

    def note(self, trail: str) -> None:
        """The answer tells of a state, or a task, that means something to this replica only."""
        self._trails[trail] = self.place
        if self._shared is not None:
            self.untold.append(trail)

    async def tell(self) -> None:
        """Tell the other proxies of what was noted. The client sees nothing of that before this returns."""
        untold, self.untold = self.untold, []
        if self._shared is not None:
            for trail in untold:
                await self._shared.keep(trail, self.address, self.identity)

    @property
    def _awaited(self) -> tuple[Awaited | None, Session | None]:
        return (None if self._affinity is None else self._affinity.awaited), self.session

    def end(self) -> None:
        """The exchange is over. Idempotent."""
        if self._ended:
            return
        self._ended = True
        self.place.busy -= 1
        if self._affinity is not None and self.session is not None:
            self._affinity.leave(self)


class Pool:
    """The replicas there are. Which are ready is told from outside.

    Args:
        affinity: Where sessions are remembered, each known to the replica that began it only. Default: None, servers
            have no sessions.
        shared: Where other proxies keep which states and tasks are of which replica. Default: None, there are none.
    """

    def __init__(self, affinity: Affinity | None = None, shared: SharedTrails | None = None) -> None:
        """Begin empty."""
        self._places: list[Place] = []
        self._ready: list[Place] = []  # those of them that are
        self._balance = Balance()
        self._affinity = affinity
        self._shared = shared
        self._trails: LRUCache[str, Place] = LRUCache(MAX_TRAILS)
        self._grown = asyncio.Event()
        self.doubted: Callable[[ReplicaAddress], object] | None = None
        """Told of a replica to which no connection could be made."""

    def __len__(self) -> int:
        return len(self._ready)

    def expect(self, target: ReplicaAddress) -> None:
        """There is a replica, which may be ready or not. Requests of its sessions go there in any case."""
        self._places.append(Place(target, ready=False))

    @property
    def grown(self) -> asyncio.Event:
        """Set when the next replica is ready."""
        return self._grown

    def add(self, target: ReplicaAddress) -> None:
        """A replica is ready."""
        self._grown.set()
        self._grown = asyncio.Event()
        for place in self._places:
            if place.address is target:
                place.ready = True
                break
        else:
            self._places.append(Place(target))
        self._changed()

    def pause(self, target: ReplicaAddress) -> None:
        """A replica is ready no more, for now."""
        for place in self._places:
            if place.address is target:
                place.ready = False
        self._changed()

    def remove(self, target: ReplicaAddress) -> None:
        """There is no such replica any more; the sessions that it held are lost.

        Args:
            target: The very object that was added: another run of a replica may listen at an equal address.
        """
        self._places = [place for place in self._places if place.address is not target]
        self._changed()

    async def visit(self, sought: Sought, *, after: Visit | None = None) -> Visit:
        """Choose the replica for a request. One must be ready.

        Args:
            sought: The request.
            after: The visit that failed before, whose replica is avoided if there is another.

        Raises:
            UnknownSessionError: It is of a session that no replica holds, and that cannot be begun again.
            SessionStoreUnavailableError: It is not known which replica holds its session.
        """
        if after is not None and self.doubted is not None:
            self.doubted(after.address)
        affinity, name = self._affinity, sought.session
        if affinity is None or name is None:
            return self._visit(sought, await self._traced(sought) or self._idlest(after))
        if sought.begins:
            sought.name_session(None)
            return self._visit(sought, self._idlest(after))
        session = await affinity.find(name, sought)
        place = self._holder(affinity, session)
        if place is None or (after is not None and place is after.place):
            if sought.method == "DELETE":
                # The session is lost with its replica: that is all that was wanted.
                await affinity.end(session)
                raise UnknownSessionError
            session, place = await self._moved(affinity, session, sought, self._idlest(after))
        sought.name_session(affinity.name_at_replica(session, name))
        return self._visit(sought, place, session)

    def visit_now(self, sought: Sought) -> Visit | None:
        """As :meth:`visit`, for a request that begins no session; None when that has to be waited for, or may fail."""
        affinity = self._affinity
        name = None if affinity is None else sought.session
        if affinity is None or name is None:
            ready = self._ready
            if not ready or (len(ready) > 1 and sought.trail_here() is not None):
                return None
            return self._visit(sought, self._idlest(None))
        session = affinity.recall(name, sought)
        place = None if session is None else self._holder(affinity, session)
        if session is None or place is None:
            return None
        sought.name_session(affinity.name_at_replica(session, name))
        return self._visit(sought, place, session)

    async def forgotten(self, sought: Sought, visit: Visit) -> Visit | None:
        """The replica does not know the session of a request any more: begin it again.

        Returns:
            Where to send the request now; None when the session is lost, as the replica says.
        """
        affinity, session = self._affinity, visit.session
        if affinity is None or session is None or sought.method == "DELETE" or not len(self):
            return None
        try:
            session, place = await self._moved(affinity, session, sought, self._idlest(None))
        except UnknownSessionError:
            return None
        sought.name_session(affinity.name_at_replica(session, sought.session or session.id))
        return self._visit(sought, place, session)

    async def _moved(self, affinity: Affinity, session: Session, sought: Sought, place: Place) -> tuple[Session, Place]:
        """The session begun anew, and the replica that holds it then: this one, or that of who was faster."""
        session = await affinity.move(session, sought, place.address)
        holder = self._holder(affinity, session)
        if holder is None:
            raise UnknownSessionError
        return session, holder

    def _holder(self, affinity: Affinity, session: Session) -> Place | None:
        url = affinity.url_of(session)
        for place in self._places:
            if place.address.url == url:
                return place
        return None

    def beside(self, visit: Visit, sought: Sought) -> list[Visit]:
        """Visits to all ready replicas but the one of this visit, for a request that concerns them all."""
        return [self._visit(sought, place) for place in self._ready if place is not visit.place]

    def _changed(self) -> None:
        self._ready = [place for place in self._places if place.ready]

    def _visit(self, sought: Sought, place: Place, session: Session | None = None) -> Visit:
        return Visit(sought, place, self._affinity, session, self._trails, self._shared)

    async def _traced(self, sought: Sought) -> Place | None:
        """The replica that a request without session belongs to all the same; None when any will do.

        Raises:
            SessionStoreUnavailableError: That is not known.
        """
        trail = await sought.trail() if len(self) > 1 else None
        if trail is None:
            return None
        place = self._trails.get(trail)
        if place is None and self._shared is not None:
            url = await self._shared.find(trail, sought.identity)
            place = next((each for each in self._places if each.address.url == url), None)
        return place if place is not None and place.ready and place in self._places else None

    def _idlest(self, after: Visit | None) -> Place:
        places = self._ready
        if not places:
            raise UnavailableError("The server is not ready yet")
        if len(places) == 1:
            return places[0]
        if after is not None:
            places = [place for place in places if place is not after.place]
        return places[self._balance.choose([place.busy for place in places])]
