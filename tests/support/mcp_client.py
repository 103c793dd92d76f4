"""The real ``mcp`` client, for tests that call a tool and look at the answer."""

from __future__ import annotations

from typing import Any

from tests.support.aio import run


def call_tool(url: str, tool: str, **arguments: Any) -> str:
    """Call a tool through a proxy and give back the text of its answer."""
    from mcp import Client

    async def body() -> str:
        async with Client(url) as client:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            return "".join(part.text for part in result.content)

    return run(body())
