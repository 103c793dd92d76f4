"""One connection that all questions share: each is sent at once, and answers come in the order of the questions.

redis-py opens it, whatever that takes: TLS, a password, a Sentinel that names the master. From then on its bytes are
read here, for taking turns on the connections of a pool costs several times the CPU of a question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

from workloads.errors import MissingDependencyError
from workloads.session.redis.client import connection_options, drop

try:
    import hiredis
except ImportError as error:
    raise MissingDependencyError("redis", "RedisStorage") from error

if TYPE_CHECKING:
    from asyncio import BaseProtocol, Future, TimerHandle, Transport
    from collections.abc import Sequence

__all__ = ("Argument", "Line", "pack", "pack_look")

_hiredis: Any = hiredis  # whose types are those of fewer arguments
_Push: type = _hiredis.PushNotification

Argument = bytes | str | int

_CLOSED = "the connection was closed"
_PTTL = b"*2\r\n$4\r\nPTTL\r\n"  # without its key
_MORE = object()  # there is no whole answer yet


def pack(*command: Argument) -> bytes:
    """A command as it travels.

    Args:
        command: The command, and what it is about.
    """
    packed: bytes = _hiredis.pack_command(command)
    return packed


def pack_look(keys: Sequence[bytes]) -> bytes:
    """PTTL of every key, then MGET of all, as they travel: every key is packed once for both.

    Args:
        keys: The keys.
    """
    packed = [b"$%d\r\n%b\r\n" % (len(key), key) for key in keys]
    return b"%b*%d\r\n$4\r\nMGET\r\n%b" % (_PTTL.join((b"", *packed)), len(keys) + 1, b"".join(packed))


class Line:
    """The way to ask over one connection, which is made when it is needed, and again when it is lost.

    What can be asked is what does no harm when it is asked again: a question that was sent may have been answered to
    nobody.
    """

    def __init__(self, pool: Any, timeout: float) -> None:
        """Connect to nothing yet.

        Args:
            pool: redis-py's pool, whose connections this one is like. It is none of them.
            timeout: Seconds until an answer must have come.
        """
        self._pool = pool
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._connection: Any = None
        self._exchange: _Exchange | None = None
        self._closed = False

    def ask_at_once(self, commands: bytes, count: int) -> Future[list[Any]] | None:
        """As :meth:`ask`, if the connection is there; then it ends within the timeout. None when it is not.

        Args:
            commands: The commands, packed.
            count: How many they are.
        """
        exchange = self._exchange
        return exchange.ask(commands, count) if exchange is not None and self._is_good(exchange) else None

    async def ask(self, commands: bytes, count: int) -> list[Any]:
        """The answers to commands, which travel together. Whoever is cancelled disturbs none of the others.

        Args:
            commands: The commands, packed.
            count: How many they are.

        Raises:
            redis.exceptions.RedisError: There are none, or one of them is an error.
        """
        return await (self.ask_at_once(commands, count) or (await self._open()).ask(commands, count))

    async def close(self) -> None:
        """End the connection, and all questions. Can be repeated."""
        self._closed = True
        await self._drop()

    def _is_good(self, exchange: _Exchange) -> bool:
        # A pool of Sentinel's lets go of its connections when another server became the master. So does this.
        master = getattr(self._pool, "master_address", None)
        return not exchange.is_over() and (master is None or master == exchange.address)

    async def _open(self) -> _Exchange:
        async with self._opening:
            exchange = self._exchange
            if exchange is not None and self._is_good(exchange):
                return exchange
            await self._drop()
            self._check_open()
            connection = self._pool.connection_class(**connection_options(self._pool.connection_kwargs))
            try:
                await connection.connect()
                self._check_open()
                exchange = _Exchange(connection, self._timeout)
            except BaseException:
                await drop(connection)
                raise
            self._connection, self._exchange = connection, exchange
            return exchange

    def _check_open(self) -> None:
        if self._closed:
            raise RedisConnectionError(_CLOSED)

    async def _drop(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            await drop(connection)


class _Exchange(asyncio.Protocol):
    """Questions and answers of one connection, which is taken over from redis-py when it is open.

    Attributes:
        address: Where it goes, if it goes to a host.
    """

    def __init__(self, connection: Any, timeout: float) -> None:
        self.address = getattr(connection, "host", None), getattr(connection, "port", None)
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        # None of these has a public name.
        self._transport: Transport = connection._writer.transport  # noqa: SLF001
        parse_error = connection._parser.parse_error  # noqa: SLF001
        self._reader = _hiredis.Reader(protocolError=InvalidResponse, replyError=parse_error, notEnoughData=_MORE)
        # Who waits, for how many answers, and until when.
        self._waiting: deque[tuple[Future[list[Any]], int, float]] = deque()
        self._answers: list[Any] = []  # to the first who waits
        self._timer: TimerHandle | None = None
        self._lost = False
        self._before: BaseProtocol = self._transport.get_protocol()
        if self._transport.is_closing():
            raise RedisConnectionError(_CLOSED)
        self._transport.set_protocol(self)

    def is_over(self) -> bool:
        """Whether it is lost, or about to be."""
        return self._lost or self._transport.is_closing()

    def ask(self, commands: bytes, count: int) -> Future[list[Any]]:
        """Send so many commands; their answers will be in the future."""
        answers: Future[list[Any]] = self._loop.create_future()
        until = self._loop.time() + self._timeout
        self._waiting.append((answers, count, until))
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)
        self._transport.write(commands)
        return answers

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            self._answers += iter(self._reader.gets, _MORE)
            if _Push in map(type, self._answers):  # told to whoever is connected, such as that it moves
                self._answers = [each for each in self._answers if type(each) is not _Push]
            self._hand_over()
        except InvalidResponse as error:
            self._give_up(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RedisConnectionError(_CLOSED))
        self._before.connection_lost(exc)  # redis-py waits for that when it closes the connection

    def _look(self) -> None:
        """One timer for all: when it rings, the first who waits may have come after it was set."""
        self._timer = None
        if not self._waiting:
            return
        _, _, until = self._waiting[0]
        if until > self._loop.time():
            self._timer = self._loop.call_at(until, self._look)
        else:
            self._give_up(RedisTimeoutError("it did not answer in time"))

    def _hand_over(self) -> None:
        """Give those who wait their answers, as far as all of them are there."""
        answers, begin = self._answers, 0
        while self._waiting and begin + self._waiting[0][1] <= len(answers):
            waiter, count, _ = self._waiting.popleft()
            _settle(waiter, answers[begin : begin + count])
            begin += count
        del answers[:begin]
        if answers and not self._waiting:
            raise InvalidResponse("it answered what was not asked")

    def _give_up(self, error: Exception) -> None:
        self._end(error)
        self._transport.abort()

    def _end(self, error: Exception) -> None:
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            answers, _, _ = self._waiting.popleft()
            if not answers.done():
                answers.set_exception(copy(error))  # each of them gets a traceback of its own


def _settle(waiter: Future[list[Any]], answers: list[Any]) -> None:
    """Give who waits its answers, or the first of them that is an error."""
    if waiter.done():
        return
    for answer in answers:
        if isinstance(answer, Exception):
            waiter.set_exception(answer)
            return
    waiter.set_result(answers)
