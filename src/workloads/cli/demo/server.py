"""The demo's own MCP server, over streamable HTTP: ``python -m workloads.cli.demo.server``."""

from __future__ import annotations

import os


def main() -> None:
    """Serve until a signal comes, where the workload's environment says."""
    from fastmcp import FastMCP

    server: FastMCP = FastMCP("adder")

    @server.tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    server.run(
        transport="streamable-http",
        show_banner=False,
        host=os.environ.get("MCP_HOST", "127.0.0.1"),
        port=int(os.environ["MCP_PORT"]),
    )


if __name__ == "__main__":
    main()
