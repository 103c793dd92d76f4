"""Real servers and real clients of the protocol, with a proxy runner between them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.support.aio import run
from tests.support.raw_http import raw_client, raw_server
from tests.support.runners import Recorder, routed, served

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

pytestmark = [
    pytest.mark.needs("mcp"),
    # The client leaves streams of its own to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]

SDK = Path(__file__).parents[1] / "servers" / "sdk_server.py"
VERSIONS = {
    ("streamable-http", "auto"): "2026-07-28",
    ("streamable-http", "legacy"): "2025-11-25",
    ("stdio", "auto"): "2026-07-28",
    ("stdio", "legacy"): "2025-11-25",
}


def proxied(transport, replicas=1, **options):
    command = (sys.executable, str(SDK))
    config = RunConfig(name="sdk", command=command, transport=transport, backend_replicas=replicas)
    return ProxyRunner(config, **options)


@pytest.mark.parametrize(("transport", "mode"), VERSIONS)
def test_a_real_client_calls_lists_reads_and_hears_of_progress(transport, mode):
    from mcp import Client

    async def body():
        async with proxied(transport) as runner, Client(runner.url, mode=mode) as client:
            assert client.protocol_version == VERSIONS[transport, mode]
            assert {tool.name for tool in (await client.list_tools()).tools} == {"add", "count", "wait", "crash"}
            result = await client.call_tool("add", {"a": 2, "b": 3})
            assert result.structured_content == {"result": 5}
            said = []

            async def progress(step, total, message):
                said.append((step, total, message))

            await client.call_tool("count", {"steps": 3, "label": "x"}, progress_callback=progress)
            assert said == [(1, 3, "x 1"), (2, 3, "x 2"), (3, 3, "x 3")]
            assert (await client.read_resource("res://a")).contents[0].text == "content of a"

    run(body())


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
def test_MCP_T33_fifty_real_clients_at_once_each_get_their_own_result(transport, replicas):
    """MCP-T33: 50 concurrent clients all using id 1, `"1"` and progressToken `"p"`: each gets its own result."""
    from mcp import Client

    async def body():
        async with proxied(transport, replicas) as runner:

            async def one(number):
                said = []

                async def progress(step, total, message):
                    said.append(message)

                async with Client(runner.url, mode="legacy" if number % 2 else "auto") as client:
                    result = await client.call_tool(
                        "count", {"steps": 2, "label": f"c{number}"}, progress_callback=progress
                    )
                assert result.structured_content == {"result": f"c{number}"}
                assert said == [f"c{number} 1", f"c{number} 2"]

            await asyncio.gather(*(one(number) for number in range(50)))

    run(body())


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_real_client_of_the_old_sse_transport_is_served(replicas):
    from mcp import ClientSession
    from mcp.client.sse import sse_client

    async def body():
        async with (
            proxied("sse", replicas) as runner,
            sse_client(runner.url.partition("#")[0]) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            result = await session.call_tool("add", {"a": 2, "b": 3})
            assert result.structured_content == {"result": 5}

    run(body())


def test_MCP_T20_a_client_that_comes_during_a_cold_start_ends_up_modern():
    """MCP-T20: cold start: discover held < 9 s or served from cache; client ends up at `2026-07-28`."""
    from mcp import Client

    async def body():
        told = Recorder()
        async with served(proxied("streamable-http", observer=told)):
            await told.until(lambda self: self.port)
            async with Client(f"http://127.0.0.1:{told.port}/mcp") as client:
                assert client.protocol_version == "2026-07-28"
                assert told.pids

    run(body())


def test_MCP_T21_a_client_that_cannot_be_answered_raises_and_does_not_take_it_for_the_old_protocol(monkeypatch):
    """MCP-T21: backend 503 during discover: proxy does not hand 5xx to the probe if it can wait."""
    from mcp import Client

    monkeypatch.setattr("workloads.proxyrunner.gate.HOLD", 0.3)
    asked = []

    async def handle(exchange):
        asked.append(exchange.request.get("mcp-method"))
        await exchange.answer(503, b"not now")

    async def body():
        async with raw_server(handle) as server, routed(server.port) as runner:
            with pytest.raises(BaseExceptionGroup) as caught:
                async with Client(runner.url):
                    pytest.fail("it cannot have connected")
            assert "disconnected" in repr(caught.value) or "Protocol" in repr(caught.value)
        assert set(asked) == {"server/discover"}

    run(body())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_MCP_T34_a_real_client_that_gives_up_a_call_can_go_on(mode):
    """MCP-T34: cancel of one id-1 call leaves the others alive."""
    from mcp import Client

    async def body():
        async with proxied("stdio") as runner, Client(runner.url, mode=mode) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.call_tool("wait", {"seconds": 100})
            result = await client.call_tool("add", {"a": 1, "b": 1})
            assert result.structured_content == {"result": 2}

    run(body())


def test_MCP_T45_a_real_client_whose_server_dies_gets_an_error_and_a_new_one_is_served(monkeypatch):
    """MCP-T45: child dies mid-call: every waiter gets an error, listens end without result, legacy sessions 404."""
    from mcp import Client
    from mcp.shared.exceptions import MCPError

    monkeypatch.setattr("workloads.proxyrunner.backoff.FIRST_DELAY", 0.01)

    async def body():
        async with proxied("stdio") as runner:
            async with Client(runner.url, mode="legacy") as client:
                with pytest.raises(MCPError):
                    await client.call_tool("crash", {"code": 3})
            async with Client(runner.url, mode="legacy") as client:
                result = await client.call_tool("add", {"a": 1, "b": 1})
                assert result.structured_content == {"result": 2}

    run(body())


def test_a_browser_page_of_another_site_cannot_call_a_tool():
    async def body():
        async with proxied("streamable-http") as runner, raw_client(runner.port) as client:
            call = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "crash", "arguments": {"code": 1}},
            }
            answer = await client.post(call, ("origin", "https://evil.example"))
            assert answer.status == 403
            assert (await client.ask("GET", "/health")).status == 200

    run(body())
