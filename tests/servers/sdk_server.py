"""A real server of the MCP SDK: speaks whatever MCP_TRANSPORT says, to both eras of the protocol."""

from __future__ import annotations

import asyncio
import os
import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("sdk", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def count(ctx: Context, steps: int, label: str) -> str:
    """Report progress, then answer."""
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"{label} {step + 1}")
    return label


@server.tool()
async def wait(seconds: float) -> str:
    """Answer after a while."""
    await asyncio.sleep(seconds)
    return "waited"


@server.tool()
def crash(code: int) -> str:
    """End the process."""
    os._exit(code)


@server.resource("res://a")
def resource() -> str:
    """A resource."""
    return "content of a"


if __name__ == "__main__":
    transport = os.environ["MCP_TRANSPORT"]
    if transport == "stdio":
        server.run("stdio")
    else:
        import uvicorn

        app = server.sse_app() if transport == "sse" else server.streamable_http_app()
        uvicorn.run(app, host=os.environ["MCP_HOST"], port=int(os.environ["MCP_PORT"]), log_level="error")
        sys.exit(0)
