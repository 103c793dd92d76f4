"""Tools of a real server that real clients see and call as a run config says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.support.aio import run

from workloads import RunConfig
from workloads.config import ToolOverride
from workloads.proxyrunner import ProxyRunner

pytestmark = [
    pytest.mark.needs("mcp"),
    # The client leaves streams of its own to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
]

SDK = Path(__file__).parents[1] / "servers" / "sdk_server.py"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
def test_a_client_has_the_tools_it_shall_have_by_the_names_it_shall_know(transport, mode):
    from mcp import Client
    from mcp.shared.exceptions import MCPError

    config = RunConfig(
        name="sdk",
        command=(sys.executable, str(SDK)),
        transport=transport,
        tools_filter=("sum", "count"),
        tools_override={"add": ToolOverride(name="sum", description="Adds up")},
    )

    async def body():
        async with ProxyRunner(config) as runner, Client(runner.url, mode=mode) as client:
            tools = {tool.name: tool.description for tool in (await client.list_tools()).tools}
            assert tools.keys() == {"sum", "count"}
            assert tools["sum"] == "Adds up"
            result = await client.call_tool("sum", {"a": 2, "b": 3})
            assert result.structured_content == {"result": 5}
            for hidden in ("add", "crash", "wait"):
                with pytest.raises(MCPError, match=f"Unknown tool: {hidden}"):
                    await client.call_tool(hidden, {})

    run(body())
