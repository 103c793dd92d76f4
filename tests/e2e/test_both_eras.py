"""Real clients of both eras with real stdio servers of either, and of both, and with one of HTTP: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import npx
from tests.support.aio import run

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

pytestmark = [
    pytest.mark.needs("mcp"),
    # The clients leave streams of their own to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

SERVERS = Path(__file__).parents[1] / "servers"
VERSION = {"auto": "2026-07-28", "legacy": "2025-11-25"}
WATCHED = "test://watched-resource"


def proxied(server, stdio_mode="shared"):
    """A proxy of the server of the SDK, bridged as one of the era named, or over HTTP as it is."""
    script = [str(SERVERS / "conformance.py")]
    if server == "http":
        return ProxyRunner(RunConfig(name="eras", command=(sys.executable, *script), transport="streamable-http"))
    if server != "both":
        script = [str(SERVERS / "one_era.py"), server, *script]
    config = RunConfig(name="eras", command=(sys.executable, *script), transport="stdio", stdio_mode=stdio_mode)
    return ProxyRunner(config)


def mcp_client(url, mode, **handlers):
    from mcp import Client
    from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

    async def elicit(context, params):
        return ElicitResult(action="accept", content={"name": "Ann"})

    async def sample(context, params):
        said = params.messages[0].content.text
        return CreateMessageResult(role="assistant", model="m", content=TextContent(type="text", text=said.upper()))

    async def roots(context):
        return ListRootsResult(roots=[Root(uri="file:///home/ann")])

    asked = {"elicitation_callback": elicit, "sampling_callback": sample, "list_roots_callback": roots}
    return Client(url, mode=mode, **asked, **handlers)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("server", ["legacy", "modern", "both", "http"])
def test_the_mcp_client_is_asked_told_of_progress_and_of_changes(server, mode):
    async def body():
        async with proxied(server) as runner:
            changed = asyncio.Queue()

            async def heard(message):
                if getattr(message, "method", "") == "notifications/resources/updated":
                    await changed.put(str(message.params.uri))

            async with mcp_client(runner.url, mode, message_handler=heard) as client:
                assert client.protocol_version == VERSION[mode]
                assert client.server_info.name == "conformance"
                assert client.instructions == "Test with it."
                for tool, arguments, text in (
                    ("greet", {}, "Hello Ann"),
                    ("summarize", {"text": "much"}, "In short: SUMMARIZE: MUCH"),
                    ("places", {}, "file:///home/ann"),
                ):
                    result = await client.call_tool(tool, arguments)
                    assert result.content[0].text == text
                steps = []

                async def progress(step, total, message):
                    steps.append(step)

                await client.call_tool("test_tool_with_progress", {}, progress_callback=progress)
                assert steps == [0, 50, 100]
                async with asyncio.timeout(30):
                    if mode == "legacy":
                        await client.subscribe_resource(WATCHED)
                        await client.call_tool("touch", {"uri": WATCHED})
                        assert await changed.get() == WATCHED
                    else:
                        async with client.listen(resource_subscriptions=[WATCHED]) as events:
                            assert list(events.honored.resource_subscriptions) == [WATCHED]
                            await client.call_tool("touch", {"uri": WATCHED})
                            assert str((await anext(events)).uri) == WATCHED

    run(body())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("server", ["legacy", "modern", "both", "http"])
def test_the_fastmcp_client_is_asked_told_of_progress_and_of_changes(server, mode):
    from fastmcp import Client

    async def elicit(message, response_type, params, context):
        return {"name": "Ann"}

    async def sample(messages, params, context):
        return messages[0].content.text.upper()

    async def body():
        steps, changed = [], asyncio.Queue()

        async def progress(step, total, message):
            steps.append(step)

        async def heard(message):
            if getattr(message, "method", "") == "notifications/resources/updated":
                await changed.put(str(message.params.uri))

        asked = {"elicitation_handler": elicit, "sampling_handler": sample, "roots": ["file:///home/ann"]}
        told = {"progress_handler": progress, "message_handler": heard}
        async with (
            proxied(server) as runner,
            Client(runner.url, mode=mode, **told, **asked) as client,
        ):
            for tool, arguments, text in (
                ("greet", {}, "Hello Ann"),
                ("summarize", {"text": "much"}, "In short: SUMMARIZE: MUCH"),
                ("places", {}, "file:///home/ann"),
            ):
                assert (await client.call_tool(tool, arguments)).content[0].text == text
            await client.call_tool("test_tool_with_progress", {})
            assert steps == [0, 50, 100]
            if mode == "legacy":  # of the subscriptions of the new era this client knows nothing
                await client.session.subscribe_resource(WATCHED)
                await client.call_tool("touch", {"uri": WATCHED})
                async with asyncio.timeout(30):
                    assert await changed.get() == WATCHED

    run(body())


@pytest.mark.parametrize("server", ["modern", "both"])
def test_ten_clients_at_once_are_each_asked_their_own_question(server):
    """With a server of the old era one process cannot do that: each session then needs its own."""
    from mcp import Client
    from mcp_types import ElicitResult

    async def body():
        async with proxied(server, "per-session") as runner:

            async def one(number):
                async def elicit(context, params):
                    await all_asked.wait()
                    return ElicitResult(action="accept", content={"name": f"client {number}"})

                async with Client(runner.url, mode="legacy", elicitation_callback=elicit) as client:
                    result = await client.call_tool("greet", {})
                    assert result.content[0].text == f"Hello client {number}"

            all_asked = asyncio.Barrier(10)
            await asyncio.gather(*(one(number) for number in range(10)))

    run(body())


@pytest.mark.needs("mcp-inspector")
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("server", ["legacy", "modern", "both", "http"])
def test_the_inspector_lists_calls_and_reads(server, era):
    def inspect(url, *arguments):
        inspector = npx.program("@modelcontextprotocol/inspector@2", "mcp-inspector")
        command = [inspector, "--cli", "--server-url", url, "--transport", "http"]
        command += ["--protocol-era", era, "--format", "json", "--quiet", "--method", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def body():
        async with proxied(server) as runner:
            listed = await asyncio.to_thread(inspect, runner.url, "tools/list")
            assert "test_simple_text" in json.dumps(listed)
            called = await asyncio.to_thread(inspect, runner.url, "tools/call", "--tool-name", "test_simple_text")
            assert "This is a simple text response for testing." in json.dumps(called)
            read = await asyncio.to_thread(inspect, runner.url, "resources/read", "--uri", "test://static-text")
            assert "static text resource" in json.dumps(read)

    run(body())
