"""A real server of the MCP SDK behind TLS, at ``/v1/mcp``, for who shows its key.

``remote.py PORT CERTIFICATE KEY``. Requests for ``/old`` are redirected there. Its tool ``header`` tells what came.
"""

from __future__ import annotations

import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("remote", log_level="ERROR")
port, certificate, key = sys.argv[1:]


@server.tool()
def header(name: str, ctx: Context) -> str:
    """The value of a header, or of ``query`` the query."""
    request = ctx.request_context.request
    return request.url.query if name == "query" else request.headers.get(name, "")


inner = server.streamable_http_app()


async def app(scope, receive, send) -> None:
    if scope["type"] == "http":
        headers = dict(scope["headers"])
        answer = None
        if headers.get(b"x-api-key") != key.encode():
            answer = 403, []
        elif scope["path"] == "/old":
            answer = 307, [(b"location", b"/v1/mcp")]
        elif scope["path"] != "/v1/mcp":
            answer = 404, []
        if answer is not None:
            await send({"type": "http.response.start", "status": answer[0], "headers": answer[1]})
            await send({"type": "http.response.body"})
            return
        scope = {**scope, "path": "/mcp", "raw_path": b"/mcp"}
    await inner(scope, receive, send)


uvicorn.run(app, host="127.0.0.1", port=int(port), ssl_certfile=certificate, log_level="error")
