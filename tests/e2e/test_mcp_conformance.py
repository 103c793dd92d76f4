"""The conformance suite of the protocol says the same of a server through the proxy as without one."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

pytestmark = [pytest.mark.needs("mcp", "mcp-conformance")]

SERVER = Path(__file__).parents[1] / "servers" / "conformance.py"
SUITE = ("npx", "--yes", "@modelcontextprotocol/conformance@0.1", "server", "--suite", "all", "--url")
LINE = re.compile(r"^\S ([a-z0-9-]+): (\d+) passed, (\d+) failed", re.MULTILINE)
AT_LEAST = 30


@contextmanager
def listening():
    """The server over HTTP, without a proxy. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    environment = {**os.environ, "MCP_TRANSPORT": "streamable-http", "MCP_HOST": "127.0.0.1", "MCP_PORT": str(port)}
    with subprocess.Popen([sys.executable, SERVER], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _accepts(port), timeout=60)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait(30)


def _accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def verdicts(url):
    """What the suite says, by scenario: how many checks passed and how many failed."""
    done = subprocess.run([*SUITE, url], check=False, capture_output=True, text=True, timeout=200)
    found = {name: (int(passed), int(failed)) for name, passed, failed in LINE.findall(done.stdout)}
    assert len(found) >= AT_LEAST, done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def directly():
    """What it says of the server without a proxy."""
    with listening() as url:
        return verdicts(url)


@pytest.mark.parametrize(
    ("transport", "stdio_mode"), [("streamable-http", ""), ("stdio", "shared"), ("stdio", "per-session")]
)
def test_the_suite_says_the_same_through_the_proxy(directly, transport, stdio_mode):
    async def body():
        command = (sys.executable, str(SERVER))
        config = RunConfig(name="conformance", command=command, transport=transport, stdio_mode=stdio_mode)
        async with ProxyRunner(config) as runner:
            return await asyncio.to_thread(verdicts, runner.url)

    assert run(body(), timeout=240) == directly
