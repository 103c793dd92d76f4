"""The processes of a benchmark: a module is run again in another role, until the end of its input tells it to end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@dataclass
class Process:
    """A process in its role.

    Attributes:
        pid: Its number.
        port: What it said first.
    """

    pid: int
    port: int
    _input: IO[str]
    _output: IO[str]

    def ask(self, line: str) -> str:
        """Send it a line and wait for the line that it answers."""
        self._input.write(f"{line}\n")
        self._input.flush()
        return self._output.readline()


@contextmanager
def role(module: str, *arguments: str) -> Iterator[Process]:
    """Run a module in a role until the block ends. It says a number, such as its port, when it is ready.

    Args:
        module: The module.
        arguments: The role and what it needs.
    """
    command = [sys.executable, "-m", module, *arguments]
    # Servers and clients seldom share a session, to each of which some kernels give the same time of the processors.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Process(process.pid, int(process.stdout.readline()), process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.wait(30)


async def standard_input() -> asyncio.StreamReader:
    """Standard input, to be read in the loop."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def until_told_to_end() -> None:
    """Wait for the end of standard input."""
    await (await standard_input()).read()


async def serve(application: Any, lifespan: str = "off") -> None:
    """Serve an ASGI application on a free port, say which, and end when told to.

    Args:
        application: The application.
        lifespan: What uvicorn does about its start and end.
    """
    import socket

    import uvicorn

    bound = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(application, http="httptools", lifespan=lifespan, access_log=False, log_level="error")
    server = uvicorn.Server(config)
    print(bound.getsockname()[1], flush=True)
    serving = asyncio.create_task(server.serve([bound]))
    await until_told_to_end()
    server.should_exit = True
    await serving


async def route(port: int, *, prepare: Callable[[int], Awaitable[None]] | None = None) -> None:
    """Be a proxy runner that only routes to a server, and end when told to.

    Args:
        port: Where the server listens.
        prepare: Is given the port of the proxy, whose sessions are then pinned as in front of several servers. Default:
            None, the server alone knows its sessions.
    """
    from workloads import RunConfig
    from workloads.proxyrunner import ProxyRunner, ReplicaAddress

    config = RunConfig(name="bench", transport="streamable-http")
    server = ReplicaAddress("127.0.0.1", port)
    # The second one is only there to begin with: no session shall be anywhere but at the server that is measured.
    replicas = [server] if prepare is None else [server, ReplicaAddress("127.0.0.1", 1)]
    async with ProxyRunner(config, replicas=replicas) as runner:
        if prepare is not None:
            runner.route([server])
            await prepare(runner.port)
        print(runner.port, flush=True)
        await until_told_to_end()
