"""A client of the fewest words: it sends what a call needs, and nothing before, beside or after it."""

from __future__ import annotations

import json
import urllib.request

_CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def post(url: str, message: dict, session: str = "") -> tuple[str, dict]:
    """Send one message, as a client without any wish of its own would. Returns the session and the answer."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if session:
        headers["Mcp-Session-Id"] = session
    request = urllib.request.Request(url, json.dumps({"jsonrpc": "2.0", **message}).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Mcp-Session-Id"], json.loads(answer.read())


def call(url: str, tool: str, **arguments) -> str:
    """Call a tool in a session of its own."""
    session, _ = post(url, {"id": 1, "method": "initialize", "params": _CLIENT})
    params = {"name": tool, "arguments": arguments}
    _, answer = post(url, {"id": 2, "method": "tools/call", "params": params}, session)
    return answer["result"]["content"][0]["text"]
