"""One call of one tool, with the MCP client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("call_tool",)

_TIMEOUT = 30.0


def call_tool(url: str, tool: str, arguments: Mapping[str, Any]) -> str:
    """Connect to a server, call a tool and return the text of its answer.

    Args:
        url: Where the workload's proxy answers.
        tool: The tool.
        arguments: What to call it with.

    Raises:
        RuntimeError: The tool answered with an error.
        TimeoutError: There was no answer in time.
    """
    import asyncio

    from mcp import Client

    async def call() -> str:
        async with asyncio.timeout(_TIMEOUT), Client(url) as client:
            result = await client.call_tool(tool, dict(arguments))
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            raise RuntimeError(f"{tool} answered with an error: {text}")
        return text

    return asyncio.run(call())
