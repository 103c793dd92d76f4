"""Published servers on standard input and output, bridged for a real client."""

from __future__ import annotations

import json

import pytest
from tests.support.aio import run

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

pytestmark = pytest.mark.needs("mcp")


@pytest.mark.needs("uvx", "mcp-server-time")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_time_server_tells_the_time_through_the_bridge(mode):
    from mcp import Client

    async def body():
        config = RunConfig(name="time", image="uvx://mcp-server-time", transport="stdio")
        async with ProxyRunner(config) as runner, Client(runner.url, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"get_current_time", "convert_time"}
            result = await client.call_tool("get_current_time", {"timezone": "Europe/Warsaw"})
            assert not result.is_error
            assert json.loads(result.content[0].text)["timezone"] == "Europe/Warsaw"

    run(body(), timeout=150)


@pytest.mark.needs("npx", "server-everything")
def test_the_everything_server_reports_progress_through_the_bridge():
    from mcp import Client

    async def body():
        image = "npx://@modelcontextprotocol/server-everything"
        config = RunConfig(name="everything", image=image, transport="stdio")
        said = []

        async def progress(step, total, message):
            said.append((step, total))

        async with ProxyRunner(config) as runner, Client(runner.url) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert "echo" in tools
            echoed = await client.call_tool("echo", {"message": "hello"})
            assert "hello" in echoed.content[0].text
            (long,) = tools & {"longRunningOperation", "trigger-long-running-operation"}
            await client.call_tool(long, {"duration": 1, "steps": 2}, progress_callback=progress)
            assert said == [(1, 2), (2, 2)]

    run(body(), timeout=150)
