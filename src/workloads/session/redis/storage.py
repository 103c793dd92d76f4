"""The storage that several proxies share."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workloads.errors import CorruptSessionError, InvalidSessionStoreError, SessionNotFoundError
from workloads.session.codec import decode, encode
from workloads.session.limits import prefix_problems, ttl_problems
from workloads.session.protocols import Peeked
from workloads.session.redis.scripts import REPLACE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from redis.asyncio import Redis, RedisCluster

    from workloads.session.model import Session
    from workloads.session.protocols import Invalidations
    from workloads.session.redis.changes import Changes
    from workloads.session.redis.target import Target

__all__ = ("DEFAULT_PREFIX", "RedisStorage")

# Now, and not in the event loop of whoever makes the first storage. That redis-py is missing is told then.
with contextlib.suppress(ImportError):
    import_module("workloads.session.redis.calls")
    import_module("workloads.session.redis.sources")
    import_module("workloads.session.redis.url")
    import_module("workloads.session.redis.links")

DEFAULT_PREFIX = "thv:proxy:session:"
"""What the keys of ToolHive's proxies begin with."""

_TRIES = 10
"""How often a comparison with a session that others rewrite without changing it is tried."""


class RedisStorage:
    """Keeps sessions in Redis 6.2 or Valkey 7.2 and newer, in ToolHive's form, so that both can share them.

    It is a :class:`CoherentStorage`. Every call ends within the times to connect and to read together, by default 8 s.
    A connection that is lost is made anew, and what was lost with it is asked again where that is safe.
    """

    def __init__(self, client: Redis | RedisCluster, *, key_prefix: str = DEFAULT_PREFIX, ttl: float) -> None:
        """A storage that uses a client of the caller's, who goes on to own it: ``close`` leaves it open.

        Args:
            client: redis-py's asyncio client of a server, of a master behind Sentinel, or of a cluster.
            key_prefix: What every key begins with; ends with a colon.
            ttl: Seconds that a session is kept after its last use.

        Raises:
            InvalidSessionStoreError: ``key_prefix`` or ``ttl`` cannot be used.
            MissingDependencyError: The extra ``redis`` is not installed.
            TypeError: It is another client.
        """
        if problems := [*prefix_problems(key_prefix), *ttl_problems(ttl)]:
            raise InvalidSessionStoreError(problems)
        from workloads.session.redis.client import describe

        self._begin(client, describe(client), key_prefix, ttl, owned=False)

    @classmethod
    def from_url(
        cls, url: str, *, key_prefix: str = DEFAULT_PREFIX, ttl: float, password: str | None = None
    ) -> RedisStorage:
        """A storage that connects when it is first used, and owns its connections.

        Args:
            url: Where Redis is, such as ``redis://:secret@localhost:6379/0``: schemes ``redis``, ``rediss``, ``unix``,
                ``redis+sentinel`` and ``redis+cluster``, described in :mod:`workloads.session.redis.url`.
            key_prefix: What every key begins with; ends with a colon.
            ttl: Seconds that a session is kept after its last use.
            password: The password, for those who do not want it in a URL.

        Raises:
            InvalidSessionStoreError: Something in the URL, or another argument, cannot be used; every problem is told.
            MissingDependencyError: The extra ``redis`` is not installed.
        """
        from workloads.session.redis.url import parse

        target, problems = parse(url, password=password)
        problems += [*prefix_problems(key_prefix), *ttl_problems(ttl)]
        if target is None or problems:
            raise InvalidSessionStoreError(problems)
        from workloads.session.redis.client import open_client

        storage = cls.__new__(cls)
        storage._begin(open_client(target), target, key_prefix, ttl, owned=True)  # noqa: SLF001  # its own class
        return storage

    def _begin(self, client: Any, target: Target, key_prefix: str, ttl: float, *, owned: bool) -> None:
        from workloads.session.redis.calls import Calls
        from workloads.session.redis.links import link_to

        self._client, self._target, self._owned = client, target, owned
        self._prefix = key_prefix.encode()
        self._ttl = float(ttl)
        self._milliseconds = round(ttl * 1000)
        self._link = link_to(client, target)
        self._calls = Calls(target)
        self._changes: set[Changes] = set()

    def __repr__(self) -> str:
        return f"RedisStorage({str(self._target)!r}, key_prefix={self._prefix.decode()!r}, ttl={self._ttl:g})"

    @property
    def ttl(self) -> float:
        """Seconds that a session is kept after its last use."""
        return self._ttl

    async def store(self, session: Session) -> None:
        """See :meth:`Storage.store`."""
        key, value = self._key(session.id), encode(session)
        await self._calls.ask(lambda: self._link.ask("SET", key, value, "PX", self._milliseconds))

    async def load(self, session_id: str) -> Session:
        """See :meth:`Storage.load`.

        Raises:
            CorruptSessionError: What is kept is damaged; a :class:`SessionStoreUnavailableError` too.
        """
        key = self._key(session_id)
        raw: bytes | None = await self._calls.ask(
            lambda: self._link.ask("GETEX", key, "PX", self._milliseconds), session_id=session_id
        )
        if raw is None:
            raise SessionNotFoundError(session_id)
        return self._decode(session_id, raw)

    async def delete(self, session_id: str) -> None:
        """See :meth:`Storage.delete`."""
        key = self._key(session_id)
        await self._calls.ask(lambda: self._link.ask("DEL", key))

    async def delete_expired(self, before: datetime) -> None:  # noqa: ARG002  # the protocol has it
        """See :meth:`Storage.delete_expired`. Redis lets sessions expire by itself."""
        self._calls.check()

    async def create(self, session: Session) -> bool:
        """See :meth:`Storage.create`."""
        key, value = self._key(session.id), encode(session)
        answer = await self._calls.ask_once(
            lambda: self._link.ask("SET", key, value, "NX", "PX", self._milliseconds), session_id=session.id
        )
        if answer.value is not None or not answer.repeated:
            return bool(answer.value)
        # The try whose answer was lost may have been the one that created it.
        return bool(value == await self._calls.ask(lambda: self._link.ask("GET", key), session_id=session.id))

    async def update(self, session: Session, *, expected: Session | None = None) -> bool:
        """See :meth:`Storage.update`."""
        key, value = self._key(session.id), encode(session)
        if expected is not None:
            return await self._replace(session.id, key, encode(expected), value)
        return bool(await self._calls.ask(lambda: self._link.ask("SET", key, value, "XX", "PX", self._milliseconds)))

    async def peek(self, session_ids: Collection[str]) -> dict[str, Peeked]:
        """See :meth:`CoherentStorage.peek`.

        Raises:
            CorruptSessionError: What is kept of one is damaged; ask for the others without it.
        """
        ids = _unique(session_ids)
        found: dict[str, Peeked] = {}
        if not ids:
            return found
        keys = self._keys(ids)
        sent = begun = time.monotonic()
        answer = await self._calls.attempt(lambda: self._link.glance(keys))
        if answer is None:
            sent = time.monotonic()
            answer = await self._calls.ask(lambda: self._link.peek(keys), spent=sent - begun)
        values, times = answer
        elapsed = time.monotonic() - sent
        for session_id, raw, milliseconds in zip(ids, values, times, strict=True):
            if raw is not None:
                # A key of somebody else's may never expire; the first use through here gives it a time to live.
                # Redis looked at some moment after it was asked; assume the first, and the time is never too long.
                remaining = (self._ttl if milliseconds < 0 else milliseconds / 1000) - elapsed
                found[session_id] = Peeked(self._decode(session_id, raw), max(0.0, remaining))
        return found

    async def touch(self, session_ids: Collection[str]) -> frozenset[str]:
        """See :meth:`CoherentStorage.touch`."""
        ids = _unique(session_ids)
        keys = self._keys(ids)
        answer = await self._calls.ask(lambda: self._link.touch(keys, self._milliseconds)) if keys else []
        return frozenset(session_id for session_id, found in zip(ids, answer, strict=True) if found)

    async def invalidations(self) -> Invalidations:
        """See :meth:`CoherentStorage.invalidations`. Each has a connection of its own to every master."""
        from workloads.session.redis.changes import Changes
        from workloads.session.redis.sources import source_of

        self._calls.check()
        changes = Changes(source_of(self._client, self._prefix), self._calls, self._prefix, ended=self._changes.discard)
        self._changes.add(changes)
        return await changes.open(self._calls.limit)

    async def close(self) -> None:
        """See :meth:`Storage.close`. A client of the caller's stays open."""
        self._calls.close()
        for changes in list(self._changes):
            await changes.aclose()
        await self._link.close()
        if self._owned:
            from workloads.session.redis.client import close_client

            await close_client(self._client)  # ends what is being asked
            await self._calls.settle()
            await close_client(self._client)  # what was connecting meanwhile

    def _key(self, session_id: str) -> bytes:
        (key,) = self._keys([session_id])
        return key

    def _keys(self, session_ids: Sequence[str]) -> list[bytes]:
        # An id can hold what UTF-8 has no form for; it must not be taken for another's.
        prefix = self._prefix
        return [prefix + session_id.encode("utf-8", "surrogatepass") for session_id in session_ids]

    def _decode(self, session_id: str, raw: bytes) -> Session:
        try:
            session = decode(raw)
            if session.id == session_id:
                return session
            reason = "it is another session's"
        except ValueError as error:
            reason = str(error)
        raise CorruptSessionError(session_id, str(self._target), reason)

    async def _replace(self, session_id: str, key: bytes, raw: bytes, value: bytes) -> bool:
        """Compare and set. Bytes are compared on the server, meanings here: ToolHive writes the same otherwise."""
        expected = raw
        for _ in range(_TRIES):
            command = partial(self._link.run, REPLACE, [key], expected, value, self._milliseconds)
            answer = await self._calls.ask_once(command, session_id=session_id)
            if not isinstance(answer.value, bytes):
                return bool(answer.value)
            if answer.repeated and answer.value == value:
                return True  # the try whose answer was lost has done it
            if self._decode(session_id, answer.value) != decode(raw):
                return False
            expected = answer.value
        raise self._calls.unavailable("others change the session all the time")


def _unique(session_ids: Collection[str]) -> list[str]:
    if isinstance(session_ids, str):
        raise TypeError("expected a collection of ids, got one text")
    return list(dict.fromkeys(session_ids))
