"""``python -m bench.rolling``: sessions of many clients while proxy runners, or their replicas, are ended and started.

Two runners, a Redis and three replicas, all processes of their own. Every client has a session whose calls its replica
counts, and asks one runner after the other. A request that was refused, that was reset before a byte of an answer, or
that was answered with 503 and Retry-After is sent again; anything else that goes wrong is a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workloads.runtimes.process.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parents[1] / "tests" / "servers" / "sessions.py"
RUNNERS, REPLICAS = 2, 3
PRE_STOP = 2.0
PATIENCE = 15.0
PAUSE = 0.05
KINDS = ("restart", "kill-runner", "kill-replica")


class RetryError(Exception):
    """The request may be sent again."""


class FailedError(Exception):
    """The request failed for good."""


@dataclass
class Tally:
    """What came of everything."""

    calls: int = 0
    retries: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    lost: int = 0
    """Sessions that were answered with 404, or whose counter began anew: each was at a replica that was killed."""
    killed: set[int] = field(default_factory=set, repr=False)
    """Replicas that were killed. A session may be lost with its replica, once, and no other may."""
    ended: int = 0
    """Runners that were ended with SIGTERM; each must exit with 0."""
    slowest: float = 0.0


class Server:
    """A process that is started, ended and started again at the same port."""

    def __init__(self, command: list[str], env: dict[str, str], port: int) -> None:
        self.command, self.env, self.port = command, env, port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, **self.env}
        silent = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, env=env, stdin=silent, stdout=silent, stderr=silent)

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    async def listens(self) -> None:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)


@contextmanager
def system() -> Iterator[tuple[list[Server], list[Server]]]:
    """Redis, replicas and runners. Yields the runners and the replicas, all started."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rolling-")))
        taken: set[int] = set()

        def port() -> int:
            chosen = free_port(taken=taken)
            taken.add(chosen)
            return chosen

        def started(server: Server) -> Server:
            server.start()
            stack.callback(
                lambda: server.process is None or server.process.poll() is not None or server.end(signal.SIGKILL)
            )
            return server

        redis_port = port()
        redis = shutil.which("redis-server") or "redis-server"
        words = [redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        started(Server([*words, "--logfile", str(folder / "redis.log")], {}, redis_port))
        replicas = []
        for _ in range(REPLICAS):
            own = port()
            env = {"MCP_HOST": "127.0.0.1", "MCP_PORT": str(own), "UNKNOWN": "404"}
            replicas.append(started(Server([sys.executable, str(SERVER)], env, own)))
        runners = []
        for index in range(RUNNERS):
            own = port()
            config = {
                "name": "rolling",
                "transport": "streamable-http",
                "port": own,
                "scaling_config": {"session_redis": {"address": f"127.0.0.1:{redis_port}"}},
            }
            file = folder / f"runner-{index}.json"
            file.write_text(json.dumps(config))
            routes = [word for replica in replicas for word in ("--replica", f"http://127.0.0.1:{replica.port}")]
            command = [sys.executable, "-m", "workloads", "proxyrunner", "--config", str(file)]
            runners.append(started(Server([*command, "--pre-stop-delay", str(PRE_STOP), *routes], {}, own)))
        yield runners, replicas


class Connection:
    """One client's connection to one runner, opened again when it is gone."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, message: dict[str, Any], session: str | None) -> tuple[int, dict[str, str], bytes]:
        body = json.dumps(message).encode()
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        head += "Accept: application/json, text/event-stream\r\n"
        head += f"Mcp-Session-Id: {session}\r\n" if session else ""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self._streams
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            first = await reader.read(1)
        except OSError as error:
            self.close()
            raise RetryError(repr(error)) from None
        if not first:
            self.close()
            raise RetryError("closed before an answer")
        return await self._answer(first, reader)

    async def _answer(self, first: bytes, reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
        try:
            start, *lines = (first + await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise FailedError(f"cut in the middle: {error!r}") from None
        if headers.get("connection") == "close":
            self.close()
        return int(start.split()[1]), headers, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Client:
    """A session, and how often its calls were counted."""

    def __init__(self, index: int, ports: list[int], tally: Tally, *, any_cut: bool) -> None:
        self._connections = [Connection(port) for port in ports]
        self._turn = index
        self._tally = tally
        self._any_cut = any_cut
        self._session: str | None = None
        self._count = 0
        self._pid = 0

    @property
    def _may_cut(self) -> bool:
        """Whether an answer may be cut: by the end of a runner, or of the session's own replica."""
        return self._any_cut or self._pid in self._tally.killed

    async def run(self, until: float, pause: float) -> None:
        try:
            while time.monotonic() < until:
                begun = time.monotonic()
                await self._step()
                self._tally.slowest = max(self._tally.slowest, time.monotonic() - begun)
                await asyncio.sleep(random.uniform(0.5, 1.5) * pause)
        except FailedError as error:
            self._tally.failed[str(error)] += 1
        finally:
            for connection in self._connections:
                connection.close()

    async def _step(self) -> None:
        if self._session is None:
            params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
            _, headers, body = await self._insist("initialize", params, None, 200)
            self._session, self._count = headers["mcp-session-id"], 0
            self._pid = json.loads(body)["result"]["pid"]
        status, _, body = await self._insist("tools/call", {}, self._session, 200, 404)
        if status == 404:
            if self._pid not in self._tally.killed:
                raise FailedError("the session is lost")
            self._tally.lost += 1
            self._session = None
            return
        self._check(json.loads(body)["result"])

    def _check(self, result: dict[str, Any]) -> None:
        self._tally.calls += 1
        self._count += 1
        if result["count"] == self._count:
            self._pid = result["pid"]
            return
        # Begun again at another replica, or at the same port by another process: the client sees a counter from one.
        if self._pid in self._tally.killed and result["count"] == 1:
            self._tally.lost += 1
        elif not self._may_cut:
            self._tally.wrong += 1
        self._count, self._pid = result["count"], result["pid"]

    async def _insist(self, method: str, params: dict[str, Any], session: str | None, *wanted: int) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ends = time.monotonic() + PATIENCE
        while True:
            self._turn += 1
            connection = self._connections[self._turn % len(self._connections)]
            answer = await self._once(connection, message, session)
            if answer is not None and answer[0] in wanted:
                return answer
            if time.monotonic() > ends:
                raise FailedError(f"nobody answered within {PATIENCE:g} s")
            self._tally.retries += 1
            await asyncio.sleep(PAUSE)

    async def _once(self, connection: Connection, message: dict[str, Any], session: str | None) -> Any:
        """The answer; None when the request is to be sent again."""
        try:
            status, headers, body = await connection.post(message, session)
        except RetryError:
            return None
        except FailedError:
            if not self._may_cut:
                raise
            return None
        if status >= 500 and not (status == 503 and "retry-after" in headers):
            raise FailedError(f"status {status}: {body[:100]!r}")
        return status, headers, body


async def disturb(
    kind: str, runners: list[Server], replicas: list[Server], times: int, ends: float, tally: Tally
) -> None:
    """End and start again, one after the other, evenly spread over the time there is."""
    step = max(0.0, ends - time.monotonic()) / (times + 1)
    for turn in range(times):
        await asyncio.sleep(step)
        if kind == "kill-replica":
            server, number = replicas[turn % len(replicas)], signal.SIGKILL
            assert server.process is not None
            tally.killed.add(server.process.pid)
        else:
            server = runners[turn % len(runners)]
            number = signal.SIGKILL if kind == "kill-runner" else signal.SIGTERM
        code = await asyncio.to_thread(server.end, number)
        if kind == "restart":
            tally.ended += 1
            if code != 0:
                tally.failed[f"a runner exited with {code}"] += 1
        server.start()
        await server.listens()


def roll(kind: str, *, seconds: float, clients: int, times: int, seed: int, pause: float) -> Tally:
    """Do it, and tell what came of it.

    Args:
        kind: What is ended: one of :data:`KINDS`.
        seconds: How long clients go on.
        clients: How many there are.
        times: How often something is ended.
        seed: Decides when clients ask.
        pause: Seconds between calls of a client, on average.
    """
    random.seed(seed)
    with system() as (runners, replicas):
        return asyncio.run(_roll(kind, runners, replicas, seconds, clients, times, pause))


async def _roll(
    kind: str, runners: list[Server], replicas: list[Server], seconds: float, clients: int, times: int, pause: float
) -> Tally:
    for server in (*replicas, *runners):
        await server.listens()
    tally = Tally()
    ends = time.monotonic() + seconds
    ports = [runner.port for runner in runners]
    async with asyncio.TaskGroup() as group:
        for index in range(clients):
            group.create_task(Client(index, ports, tally, any_cut=kind == "kill-runner").run(ends, pause))
        group.create_task(disturb(kind, runners, replicas, times, ends, tally))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rolling", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS, default="restart")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--times", type=int, default=10, help="how often something is ended (default: %(default)s)")
    parser.add_argument(
        "--pause", type=float, default=0.5, help="seconds between calls of a client (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = vars(parser.parse_args())
    print("seed", options["seed"])
    tally = roll(options.pop("kind"), **options)
    print(tally)
    return 1 if tally.failed or tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
