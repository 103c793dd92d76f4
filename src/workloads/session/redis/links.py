"""How one command reaches one server, or the right one of a cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from redis.client import NEVER_DECODE
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from workloads.session.redis.client import is_cluster, whole
from workloads.session.redis.line import Argument, Line, pack, pack_look
from workloads.session.redis.scripts import PEEK, TOUCH, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from workloads.session.redis.target import Target

__all__ = ("Found", "Link", "link_to")

_WRONG_TYPE = "WRONGTYPE"
_GONE = -2  # what is told of the time that a key has left when there is no such key


class Found(NamedTuple):
    """What there is under some keys.

    Attributes:
        values: The value of each key; None for none, and an empty one for what is no string.
        times: The milliseconds that each has left; negative for no end.
    """

    values: Sequence[bytes | None]
    times: Sequence[int]


class Link(Protocol):
    """A way to Redis. It hardly bounds and never retries, and raises what redis-py raises."""

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command."""
        ...

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: Argument) -> Any:
        """The answer of a script, which is sent along when the server does not know it."""
        ...

    async def peek(self, keys: Sequence[bytes]) -> Found:
        """What there is under these keys, and for how long."""
        ...

    async def glance(self, keys: Sequence[bytes]) -> Found | None:
        """As :meth:`peek`, but bounded: over a connection that is there. None where that cannot tell."""
        ...

    async def touch(self, keys: Sequence[bytes], milliseconds: int) -> list[bool]:
        """Let each key expire then; whether there is such a key."""
        ...

    async def close(self) -> None:
        """End what is the link's own; the client is not. Can be repeated."""
        ...


def link_to(client: Any, target: Target) -> Link:
    """The way to Redis over a client.

    Args:
        client: ``redis.asyncio.Redis`` or ``redis.asyncio.RedisCluster``.
        target: Where that is, and how long it may take.
    """
    return _ClusterLink(client) if is_cluster(client) else _ServerLink(client, target.socket_timeout)


async def _run(
    ask: Callable[..., Awaitable[Any]], script: Script, keys: Sequence[bytes], arguments: Sequence[Argument] = ()
) -> Any:
    try:
        return await ask("EVALSHA", script.sha, len(keys), *keys, *arguments)
    except NoScriptError:
        return await ask("EVAL", script.text, len(keys), *keys, *arguments)


class _ServerLink:
    """One server, whichever it is at the moment.

    Connections are the pool's, used directly: a client that a caller made repeats a command up to ten times, and nobody
    could tell whether a session was created by the first time or by somebody else. Looking at sessions, which is done
    most of all and can be repeated, has a connection of its own.
    """

    def __init__(self, client: Any, timeout: float) -> None:
        self._pool = client.connection_pool
        self._timeout = timeout
        self._line = Line(self._pool, timeout)
        self._may_mget = True  # until the access control list forbids it

    async def ask(self, *command: Argument) -> Any:
        connection = await self._pool.get_connection()
        writer = connection._writer  # noqa: SLF001  # it is gone from there once it is being closed
        try:
            # Both close the connection when they are cancelled, so that no answer is left in it.
            async with asyncio.timeout(self._timeout):
                await connection.send_command(*command)
                return await connection.read_response(disable_decoding=True)
        except ResponseError:
            raise
        except BaseException:
            # redis-py says farewell, which under TLS takes as long as the server wants.
            writer.transport.abort()
            raise
        finally:
            await self._pool.release(connection)

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: Argument) -> Any:
        return await _run(self.ask, script, keys, arguments)

    async def peek(self, keys: Sequence[bytes]) -> Found:
        answers = self._line.ask(pack_look(keys), len(keys) + 1) if self._may_mget else None
        return await self._peek_quickly(answers) or await self._peek_exactly(keys)

    async def glance(self, keys: Sequence[bytes]) -> Found | None:
        answers = self._line.ask_at_once(pack_look(keys), len(keys) + 1) if self._may_mget else None
        return await self._peek_quickly(answers)

    async def _peek_quickly(self, answers: Awaitable[list[Any]] | None) -> Found | None:
        """As :meth:`peek`, in half the time of the server; None where that cannot tell."""
        if answers is None:
            return None
        try:
            # A time that is read before its value cannot be too long for it.
            *times, values = await answers
        except NoPermissionError:
            self._may_mget = False
            return None
        if None not in values and _GONE not in times:
            return Found(values, times)
        values = [None if time == _GONE else value for value, time in zip(values, times, strict=True)]
        if any(value is None and time != _GONE for value, time in zip(values, times, strict=True)):
            return None  # it is no string, or went in between
        return Found(values, times)

    async def _peek_exactly(self, keys: Sequence[bytes]) -> Found:
        answer = await _run(self._ask_line, PEEK, keys)
        return Found(answer[::2], answer[1::2])

    async def _ask_line(self, *command: Argument) -> Any:
        (answer,) = await self._line.ask(pack(*command), 1)
        return answer

    async def touch(self, keys: Sequence[bytes], milliseconds: int) -> list[bool]:
        return [bool(found) for found in await self.run(TOUCH, keys, milliseconds)]

    async def close(self) -> None:
        await self._line.close()


class _ClusterLink:
    """The server of a cluster that has the key; all those that have some of the keys, at the same time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, *command: Argument) -> Any:
        async with whole(self._client):
            return await self._client.execute_command(*command, **{NEVER_DECODE: True})

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: Argument) -> Any:
        return await _run(self.ask, script, keys, arguments)

    async def peek(self, keys: Sequence[bytes]) -> Found:
        # A time that is read before its value cannot be too long for it.
        answer = await self._ask_all([command for key in keys for command in (("PTTL", key), ("GET", key))])
        times, values = answer[::2], answer[1::2]
        values = [None if time == _GONE else value for value, time in zip(values, times, strict=True)]
        return Found(values, times)

    async def glance(self, keys: Sequence[bytes]) -> Found | None:  # noqa: ARG002  # the protocol has it
        return None

    async def touch(self, keys: Sequence[bytes], milliseconds: int) -> list[bool]:
        return [bool(found) for found in await self._ask_all([("PEXPIRE", key, milliseconds) for key in keys])]

    async def close(self) -> None:
        """It has nothing of its own."""

    async def _ask_all(self, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command, **{NEVER_DECODE: True})
        async with whole(self._client):
            answers = await pipeline.execute(raise_on_error=False)
        for position, answer in enumerate(answers):
            if isinstance(answer, ResponseError) and str(answer).startswith(_WRONG_TYPE):
                answers[position] = b""
            elif isinstance(answer, Exception):
                raise answer
        return list(answers)
