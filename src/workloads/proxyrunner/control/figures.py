"""Which numbers a proxy runner tells besides what it counts request by request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.proxyrunner.control.metrics import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.proxyrunner.affinity import Affinity
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.meter import Meter

__all__ = ("figures",)

_CACHE = {
    "hits": "Look-ups of sessions that were answered from memory.",
    "misses": "Look-ups of sessions that waited for the shared store.",
    "invalidations": "Changes of sessions in the shared store that were heard of.",
    "refreshes": "Sessions whose time to live was started anew in the shared store.",
    "flushes": "How often all sessions in memory were forgotten, for changes may have gone unheard.",
}


def figures(
    *, exchanges: Exchanges, meter: Meter, ready: int, desired: int, restarts: int, affinity: Affinity | None
) -> Iterator[Figure]:
    """The numbers.

    Args:
        exchanges: What is under way.
        meter: What was counted.
        ready: How many servers are ready.
        desired: How many there shall be.
        restarts: How often one was started again.
        affinity: The sessions, if they are remembered.
    """
    yield Figure("requests_in_flight", "Requests under way, without open streams.", exchanges.requests)
    yield Figure("open_streams", "Streams open that nobody expects to end.", exchanges.streams)
    yield Figure("replicas_ready", "Servers that are ready.", ready)
    yield Figure("replicas_desired", "Servers there shall be.", desired)
    yield Figure("server_restarts", "How often a server was started again.", restarts, grows=True)
    yield Figure("sessions_begun", "Sessions that servers began for clients.", meter.sessions_begun, grows=True)
    if affinity is None:
        return
    meaning = "Sessions that were begun again because their server was lost."
    yield Figure("sessions_begun_again", meaning, affinity.begun_again, grows=True)
    yield from _cache(affinity)


def _cache(affinity: Affinity) -> Iterator[Figure]:
    from workloads.session import RoutingStorage

    storage = affinity.storage
    if isinstance(storage, RoutingStorage):
        yield Figure("session_cache_entries", "Sessions in memory.", storage.local_entries)
        for name, meaning in _CACHE.items():
            yield Figure(f"session_cache_{name}", meaning, getattr(storage.stats, name), grows=True)
