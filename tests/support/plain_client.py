"""A client of the fewest words: it sends what a call needs, and nothing before, beside or after it."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def post(url: str, message: dict, session: str = "") -> tuple[str, dict]:
    """Send one message, as a client without any wish of its own would. Returns the session and the answer."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if session:
        headers["Mcp-Session-Id"] = session
    request = urllib.request.Request(url, json.dumps({"jsonrpc": "2.0", **message}).encode(), headers)
    with urllib.request.urlopen(request, timeout=50) as answer:
        return answer.headers["Mcp-Session-Id"], json.loads(answer.read())


def call(url: str, tool: str, **arguments) -> str:
    """Call a tool in a session of its own."""
    session, _ = post(url, {"id": 1, "method": "initialize", "params": _CLIENT})
    params = {"name": tool, "arguments": arguments}
    _, answer = post(url, {"id": 2, "method": "tools/call", "params": params}, session)
    return answer["result"]["content"][0]["text"]


@contextmanager
def kept_alive(url: str) -> Iterator[http.client.HTTPConnection]:
    """A connection that has been used, and can be again."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=50)
    try:
        connection.request("GET", "/health")
        connection.getresponse().read()
        yield connection
    finally:
        connection.close()


def refused(url: str) -> bool:
    """Whether nobody listens there."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    try:
        socket.create_connection((parts.hostname, parts.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def assert_refused_kindly(connection: http.client.HTTPConnection) -> None:
    """A new request on a connection that is there is told to come again, and by another one."""
    message = json.dumps({"jsonrpc": "2.0", "id": "late", "method": "tools/list"})
    connection.request("POST", "/mcp", message, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["id"]) == (503, "late")
    assert (answer.headers["Connection"], answer.headers["Retry-After"]) == ("close", "1")
