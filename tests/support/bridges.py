"""A bridge to the stdio server by hand, and clients of it, message by message."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.aio import run
from tests.support.raw_http import chunks, raw_client, request
from tests.support.runners import Recorder

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner
from workloads.proxyrunner.sse import EventReader

LINES = Path(__file__).parents[1] / "servers" / "lines.py"
VERSION = ("mcp-protocol-version", "2026-07-28")
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
JSON_ONLY = ("accept", "application/json")


class Subject:
    """A bridge to test, and what its server heard."""

    def __init__(self, runner, told, trail):
        self.port = runner.port
        self.url = runner.url
        self.told = told
        self._trail = trail

    async def heard(self, method=None, count=0):
        """What the server heard, as soon as it heard so many messages of the method."""
        async with asyncio.timeout(30):
            while True:
                lines = await asyncio.to_thread(self._trail.read_text)
                found = [json.loads(line) for line in lines.splitlines(keepends=True) if line.endswith("\n")]
                found = [message for message in found if method in (None, message.get("method"))]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def session(self, capabilities=None, version="2025-06-18"):
        """A client of the old era with a session."""
        async with raw_client(self.port) as client:
            params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "old"}}
            answer = await client.post(request("initialize", **params))
            assert answer.status == 200, answer
            session = Session(self.port, answer.get("mcp-session-id"), client)
            session.introduction = answer.json["result"]
            await session.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
            yield session

    async def modern(self, method, request_id=1, *headers, meta=None, **params):
        """A request of the new era, on a connection of its own."""
        async with raw_client(self.port) as client:
            message = request(method, request_id, **params, _meta={**META, **(meta or {})})
            named = (("mcp-name", params["name"]),) if "name" in params else ()
            return await client.post(message, VERSION, ("mcp-method", method), *named, *headers)

    async def call(self, name, request_id=1, *headers, capabilities=None, more=None, **arguments):
        """A tools/call of the new era."""
        meta = {"io.modelcontextprotocol/clientCapabilities": capabilities or {}}
        return await self.modern(
            "tools/call", request_id, *headers, meta=meta, name=name, arguments=arguments, **(more or {})
        )

    @asynccontextmanager
    async def listening(self, request_id="listen", **notifications):
        """A subscription of the new era: an iterator over its messages."""
        async with raw_client(self.port) as client:
            message = request("subscriptions/listen", request_id, notifications=notifications, _meta=META)
            headers = [("content-type", "application/json"), VERSION, ("mcp-method", "subscriptions/listen")]
            client.write("POST", "/mcp", *headers, body=json.dumps(message).encode())
            assert (await client.head()).get("content-type") == "text/event-stream"
            yield events(client)


class Session:
    """A client of the old era."""

    def __init__(self, port, session_id, client):
        self.port = port
        self.id = session_id
        self.client = client
        self.header = ("mcp-session-id", session_id)

    async def post(self, message, *headers):
        async with raw_client(self.port) as client:
            return await client.post(message, self.header, *headers)

    async def call(self, name, request_id=1, token=None, headers=(), **arguments):
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        return await self.post(request("tools/call", request_id, name=name, arguments=arguments, **meta), *headers)

    @asynccontextmanager
    async def calling(self, name, request_id=1, **arguments):
        """A call whose answer is a stream: an iterator over its messages."""
        async with raw_client(self.port) as client:
            message = request("tools/call", request_id, name=name, arguments=arguments)
            headers = [self.header, ("content-type", "application/json"), ("accept", "text/event-stream")]
            client.write("POST", "/mcp", *headers, body=json.dumps(message).encode())
            assert (await client.head()).status == 200
            yield events(client)

    async def answer(self, asked, **outcome):
        """Answer a question of the server: ``result={...}`` or ``error={...}``."""
        answer = await self.post({"jsonrpc": "2.0", "id": asked["id"], **outcome})
        assert (answer.status, answer.body) == (202, b"")

    @asynccontextmanager
    async def stream(self):
        """The session's stream: an iterator over its messages."""
        async with raw_client(self.port) as client:
            client.write("GET", "/mcp", self.header, ("accept", "text/event-stream"))
            head = await client.head()
            assert head.status == 200
            yield events(client)


async def events(client):
    reader = EventReader()
    async for chunk in chunks(client.reader):
        for event in reader.feed(chunk):
            yield json.loads(event.data)


def events_of(answer):
    return [json.loads(event.data) for event in EventReader().feed(answer.body)]


def words(answer):
    message = answer.json if answer.get("content-type") == "application/json" else events_of(answer)[-1]
    return message["result"]["content"][0]["text"]


def bridged(body, trail, era="legacy", env=None, session_ttl="", stdio_mode="", **options):
    async def whole():
        told = Recorder()
        env_vars = {"ERA": era, "TRAIL": str(trail), **(env or {})}
        config = RunConfig(
            name="lines",
            command=(sys.executable, str(LINES)),
            transport="stdio",
            env_vars=env_vars,
            session_ttl=session_ttl,
            stdio_mode=stdio_mode,
        )
        async with ProxyRunner(config, observer=told, **options) as runner:
            await body(Subject(runner, told, trail))

    run(whole())
