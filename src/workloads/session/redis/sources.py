"""Which servers tell what changes: one, the master that Sentinel names, or every master of a cluster."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from workloads.session.redis.client import connection_options, is_cluster, is_sentinel, whole
from workloads.session.redis.reasons import FAILURES
from workloads.session.redis.tracker import Tracker

if TYPE_CHECKING:
    from workloads.session.redis.changes import Listener, Source

__all__ = ("source_of",)

_LOOK = 0.5
"""Seconds between two looks at who is a master."""

Address = tuple[str, int]
Slots = frozenset[tuple[int, int, Address]]


def source_of(client: Any, prefix: bytes) -> Source:
    """What tells of changes at a client's server or servers.

    Args:
        client: ``redis.asyncio.Redis`` or ``redis.asyncio.RedisCluster``.
        prefix: What the keys begin with.
    """
    if is_cluster(client):
        return _ClusterSource(client, prefix)
    if is_sentinel(client):
        return _SentinelSource(client.connection_pool, prefix)
    return _ServerSource(client.connection_pool, prefix)


class _ServerSource:
    """One server.

    Attributes:
        tracker: Its connection, once it was opened.
    """

    def __init__(self, pool: Any, prefix: bytes) -> None:
        self._pool, self._prefix = pool, prefix
        self.tracker: Tracker | None = None

    async def open(self, listener: Listener) -> None:
        connection = self._pool.connection_class(**connection_options(self._pool.connection_kwargs))
        self.tracker = Tracker(connection, heard=listener.heard, lost=listener.lost)
        await self.tracker.open(self._prefix)

    async def close(self) -> None:
        if self.tracker is not None:
            await self.tracker.close()


class _Watch:
    """Looks again and again, in the background."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def _start(self, listener: Listener) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(listener))

    async def _watch(self, listener: Listener) -> None:
        raise NotImplementedError

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


class _SentinelSource(_Watch):
    """The master, for as long as Sentinel says that it is: an old one may live on, and nobody writes there any more."""

    def __init__(self, pool: Any, prefix: bytes) -> None:
        super().__init__()
        self._pool = pool
        self._server = _ServerSource(pool, prefix)

    async def open(self, listener: Listener) -> None:
        await self._server.open(listener)
        self._start(listener)

    async def close(self) -> None:
        await self._stop()
        await self._server.close()

    async def _watch(self, listener: Listener) -> None:
        assert self._server.tracker is not None
        connection = self._server.tracker.connection
        mine = (connection.host, connection.port)
        while True:
            await asyncio.sleep(_LOOK)
            try:
                master = await self._pool.sentinel_manager.discover_master(self._pool.service_name)
            except FAILURES:
                continue  # while Sentinels are away nobody makes another server the master
            if master != mine:
                listener.lost(None, "another server became the master")
                return


class _ClusterSource(_Watch):
    """Every master. When slots move or masters change, all may have: what moved was told by nobody for a moment."""

    def __init__(self, client: Any, prefix: bytes) -> None:
        super().__init__()
        self._client, self._prefix = client, prefix
        self._trackers: dict[Address, Tracker] = {}

    async def open(self, listener: Listener) -> None:
        async with whole(self._client):
            nodes = self._client.get_primaries()
        slots = await self._slots(nodes[0])
        await self._follow(slots, listener)
        self._start(listener)
        self._known = slots

    async def close(self) -> None:
        await self._stop()
        trackers, self._trackers = self._trackers, {}
        for tracker in trackers.values():
            await tracker.close()

    async def _watch(self, listener: Listener) -> None:
        # Each is asked in turn, for one that is cut off from the others knows nothing new.
        for turn in count():
            await asyncio.sleep(_LOOK)
            nodes = self._client.get_primaries()
            try:
                slots = await self._slots(nodes[turn % len(nodes)]) if nodes else self._known
            except FAILURES:
                continue  # its own tracker notices when it is away
            if slots == self._known:
                continue
            try:
                await self._follow(slots, listener)
            except FAILURES as error:
                listener.lost(error)
                return
            self._known = slots
            listener.heard(None)

    async def _slots(self, node: Any) -> Slots:
        """Which master has which slots, as a node sees it."""
        async with whole(self._client):
            answer = await self._client.execute_command("CLUSTER SLOTS", target_nodes=node)
        return frozenset(
            (first, last, self._client.nodes_manager.remap_host_port(primary[0] or node.host, int(primary[1])))
            for (first, last), primary in ((slots, owners["primary"]) for slots, owners in answer.items())
        )

    async def _follow(self, slots: Slots, listener: Listener) -> None:
        """Track at exactly these masters."""
        masters = {address for _, _, address in slots}
        for address in masters - self._trackers.keys():
            node = self._client.get_primaries()[0]
            host, port = address
            options = {**connection_options(node.connection_kwargs), "host": host, "port": port}
            tracker = Tracker(node.connection_class(**options), heard=listener.heard, lost=listener.lost)
            await tracker.open(self._prefix)
            self._trackers[address] = tracker
        for address in self._trackers.keys() - masters:
            await self._trackers.pop(address).close()
