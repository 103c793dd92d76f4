"""Proxy runners of every kind, and what must hold whatever is sent to them.

No answer of the proxy's own is a 500, every well-formed request is answered, nothing hangs, nothing is logged as an
error, and afterwards no task and no exchange is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from tests.support.raw_http import read_body, read_head

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner, ReplicaAddress, assembly, sender
from workloads.proxyrunner import gate as gates
from workloads.proxyrunner.bridge import app as bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.cases import Answer, Case, Request

LINES = Path(__file__).parents[1] / "servers" / "lines.py"


ENDPOINT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b"event: endpoint\ndata: /messages?session_id=s1\n\n"
)
READY = b'{"jsonrpc":"2.0","id":"workloads-ready","result":{"supportedVersions":["2026-07-28"]}}'
# What begins with the first session and lasts as long as its runner.
_KEEPERS = {"sessions-cleaning", "workloads-sessions-alive"}
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_PATIENCE = 60.0
_MOMENT = 0.005


class Arena:
    """An async context manager, in which cases are played."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._answers: list[Answer] = []
        self._wrong: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runners: dict[str, ProxyRunner] = {}

    async def __aenter__(self) -> Self:
        self._stack.enter_context(_quick())
        self._stack.enter_context(self._watching())
        addresses: list[ReplicaAddress] = []
        for _ in range(2):
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
            await self._stack.enter_async_context(server)
            addresses.append(ReplicaAddress("127.0.0.1", server.sockets[0].getsockname()[1]))
        config, sse = (RunConfig(name="fuzzed", transport=transport) for transport in ("streamable-http", "sse"))
        # The server writes to its log what it does not understand, which is nearly everything.
        bridged = RunConfig(name="bridged", transport="stdio", command=(sys.executable, str(LINES)))
        runners = {
            "transparent": ProxyRunner(config, replicas=addresses[:1]),
            "bridge": ProxyRunner(bridged, request_timeout=2.0),
            "replicated": ProxyRunner(config, replicas=addresses),
            "sse": ProxyRunner(sse, replicas=addresses),
        }
        for front, runner in runners.items():
            self._runners[front] = await self._stack.enter_async_context(runner)
        await self.settled()
        self._tasks = asyncio.all_tasks()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def play(self, case: Case) -> None:
        """Play a case; raises ``AssertionError`` if something does not hold."""
        self._answers = list(case.answers)
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._runners[case.front].port, limit=2**22)
            try:
                for packet in case.packets:
                    writer.write(packet)
                    await asyncio.sleep(0)
                if not case.leaves:
                    await (self._damaged(reader, writer) if case.damage else self._answered(reader, case.requests))
            except OSError:
                assert case.damage, "the connection was reset though the requests were well-formed"
            finally:
                writer.transport.abort()
        self._judge()

    async def settled(self) -> None:
        """Wait until nothing is left of the cases; raises ``AssertionError`` if something stays."""
        for _ in range(1200):
            left = {task for task in asyncio.all_tasks() - self._tasks if task.get_name() not in _KEEPERS}
            left.discard(asyncio.current_task())
            exchanges = [runner._stage._exchanges for runner in self._runners.values()]
            under_way = [each.requests + each.streams for each in exchanges]
            if not self._tasks or (not left and not any(under_way)):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError(f"left behind: {under_way} exchanges, {left}")
        self._judge()

    def _judge(self) -> None:
        """Nothing was logged as an error, and the loop has nothing to complain of."""
        wrong, self._wrong = self._wrong, []
        assert not wrong, "\n".join(wrong)

    async def _answered(self, reader: asyncio.StreamReader, requests: list[Request]) -> None:
        """Read the answer to each of these requests."""
        for request in requests:
            try:
                head = await read_head(reader)
                while head.status == 100:
                    head = await read_head(reader)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                # Nothing at all is what a server/discover gets that cannot be answered.
                if getattr(error, "partial", b"") or b"server/discover" not in request.wire:
                    raise AssertionError(f"{error!r} instead of an answer") from None
                return
            assert head.status != 500, head
            if request.method != "HEAD" and head.status not in {204, 304}:
                if "text/event-stream" in head.all("content-type"):
                    return  # it may be one that does not end
                try:
                    await read_body(reader, head)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return  # as the server behind it did
            if "close" in head.all("connection"):
                return

    async def _damaged(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what comes to whatever that was, and go."""
        got = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT):
                while part := await reader.read(2**16):
                    got += part
        writer.write_eof()
        while part := await reader.read(2**16):
            got += part
        assert b"500" not in _STATUS.findall(got), got

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each request as the case says."""
        try:
            while True:
                request = await read_head(reader)
                request.body = await read_body(reader, request)
                if b"workloads-ready" in request.body:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(READY), READY))
                    continue
                if request.start.startswith(b"GET ") and not request.all("x-forwarded-host"):  # nobody's: it is probed
                    writer.write(ENDPOINT)
                    return
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                writer.write(answer.wire)
                if answer.then == "reset":
                    await asyncio.sleep(0)
                    writer.transport.abort()
                if answer.then != "keep":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Meanwhile note what is logged as an error and what the loop complains of."""

        class Handler(logging.Handler):
            def emit(_, record: logging.LogRecord) -> None:  # noqa: N805  # the arena is self
                self._wrong.append(self_format(record))

        def self_format(record: logging.LogRecord) -> str:
            return logging.Formatter().format(record)

        handler = Handler(logging.ERROR)
        loggers = [logging.getLogger(name) for name in ("workloads", "asyncio")]
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._wrong.append(repr(context)))
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            loop.set_exception_handler(None)


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Meanwhile nobody waits long for a server that does not answer, nor asks it again and again how it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "INTERVAL", 3600.0)
        patch.setattr(gates, "HOLD", 0.05)
        for module in (sender, bridge):
            patch.setattr(module, "_RETRY_PAUSE", 0.005)
        yield
