"""Private Redis servers: alone, with Sentinels, or as a cluster; each in a folder of its own, stopped by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import redis

from workloads.errors import SessionStoreUnavailableError
from workloads.runtimes.process.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

T = TypeVar("T")

HOST = "127.0.0.1"
_READY = 60.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    ports: list[int] = []
    while len(ports) < count:
        ports.append(free_port(HOST, taken=ports))
    return ports


async def eventually(call: Callable[[], Awaitable[T]], *, within: float = 30.0) -> T:
    """What a call gives once the store is there again; only its absence is forgiven.

    Args:
        call: The call.
        within: Seconds that this may take.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            return await call()
        except SessionStoreUnavailableError:
            assert time.monotonic() < deadline, f"not back after {within:g} s"
            await asyncio.sleep(0.05)


class RedisServer:
    """One server process, which can be stopped, started again on its port, and held up."""

    def __init__(self, folder: Path, *options: str, port: int | None = None, sentinel: str = "") -> None:
        """Start nothing yet.

        Args:
            folder: Its folder.
            options: More words of its command line.
            port: Its port; a free one by default.
            sentinel: The configuration of a Sentinel; empty for an ordinary server.
        """
        self.folder, self.options, self.sentinel = folder, options, sentinel
        self.port = free_ports(1)[0] if port is None else port
        self.socket = folder / "s"
        self.credentials: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def client(self) -> Any:
        """A client of the test's own, over the Unix socket, which the library does not use; close it."""
        return redis.Redis(unix_socket_path=str(self.socket), protocol=3, socket_timeout=_READY, **self.credentials)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["--port", str(self.port), "--unixsocket", str(self.socket), "--dir", str(self.folder), *self.options]
        if self.sentinel:
            config = self.folder / "sentinel.conf"
            if not config.exists():
                config.write_text(self.sentinel)
            words = [str(config), *words, "--sentinel"]
        else:
            words += ["--save", ""]
        self.process = subprocess.Popen(
            ["redis-server", *words, "--bind", HOST, "--logfile", str(self.folder / "log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it at once, as a crash would; harmless when it has ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.socket.unlink(missing_ok=True)

    def hang(self) -> None:
        """Answer nothing any more, and close nothing: as if packets were dropped."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + _READY
        with contextlib.closing(self.client()) as client:
            while True:
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    client.ping()
                    return
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    log = self.folder / "log"
                    told = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                    raise AssertionError(f"redis-server {'ended' if ended else 'is not ready'}: {told}")
                time.sleep(0.01)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the name of a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="rs-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(*options: str, credentials: dict[str, str] | None = None) -> Iterator[RedisServer]:
    """A server that is ready, and gone afterwards.

    Args:
        options: More words of its command line.
        credentials: ``username`` and ``password`` of the test's own client.
    """
    with short_folder() as folder:
        server = RedisServer(folder, *options)
        server.credentials = credentials or {}
        with server:
            yield server


class Sentinels:
    """A master, its replica, and three Sentinels that agree within two seconds on a new master."""

    def __init__(self, data: Sequence[RedisServer], sentinels: Sequence[RedisServer]) -> None:
        self.data, self.sentinels = data, sentinels

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'{HOST}:{each.port}' for each in self.sentinels)}/main"

    def master(self) -> RedisServer:
        """The server that Sentinel says is the master."""
        with contextlib.closing(self.sentinels[0].client()) as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return next(each for each in self.data if each.port == int(port))


@contextlib.contextmanager
def sentinels() -> Iterator[Sentinels]:
    """Three Sentinels, ready to fail over."""
    with short_folder() as folder, contextlib.ExitStack() as stack:
        master = stack.enter_context(RedisServer(folder / "m"))
        replica = stack.enter_context(
            RedisServer(folder / "r", "--replicaof", f"{HOST} {master.port}", "--repl-diskless-sync-delay", "0")
        )
        config = (
            f"sentinel monitor main {HOST} {master.port} 2\nsentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 2000\n"
        )
        guards = [stack.enter_context(RedisServer(folder / f"s{number}", sentinel=config)) for number in range(3)]
        for guard in guards:
            client = stack.enter_context(contextlib.closing(guard.client()))
            _until(lambda client=client: _knows_all(client))
        yield Sentinels([master, replica], guards)


def _knows_all(client: Any) -> bool:
    """Whether a Sentinel knows the other two, and a replica that has all that the master has."""
    master = client.execute_command("SENTINEL", "MASTER", "main")
    replicas = client.execute_command("SENTINEL", "REPLICAS", "main")
    return master[b"num-other-sentinels"] == b"2" and [each[b"master-link-status"] for each in replicas] == [b"ok"]


@contextlib.contextmanager
def cluster() -> Iterator[list[RedisServer]]:
    """A cluster of three masters, each with a third of the slots."""
    with short_folder() as folder, contextlib.ExitStack() as stack:
        nodes = []
        for number in range(3):
            port, bus = free_ports(2)
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "15000")
            nodes.append((stack.enter_context(RedisServer(folder / str(number), *options, port=port)), bus))
        clients = [stack.enter_context(contextlib.closing(node.client())) for node, _ in nodes]
        for number, client in enumerate(clients):
            last = 16383 if number == 2 else number * 5461 + 5460
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * 5461, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in nodes[1:]:
            clients[0].execute_command("CLUSTER", "MEET", HOST, node.port, bus)
        for client in clients:
            _until(lambda client=client: _is_whole(client))
        yield [node for node, _ in nodes]


def _is_whole(client: Any) -> bool:
    known = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in known and b"cluster_size:3" in known


def _until(condition: Any) -> None:
    deadline = time.monotonic() + _READY
    while not condition():
        assert time.monotonic() < deadline, f"not so after {_READY:g} s"
        time.sleep(0.02)
