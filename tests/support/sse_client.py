"""Clients of the old SSE transport, message by message."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from tests.support.raw_http import chunks, raw_client, request


class Stream:
    """A client's stream, and what came on it."""

    def __init__(self, client):
        self.client = client
        self.endpoint = ""
        self._parts = chunks(client.reader)
        self._text = b""

    async def event(self):
        """The data of the next event."""
        async with asyncio.timeout(30):
            while True:
                while b"\r\n\r\n" not in self._text:
                    self._text += await anext(self._parts)
                text, _, self._text = self._text.partition(b"\r\n\r\n")
                if not text.startswith(b":"):
                    return text.partition(b"data: ")[2].decode()

    async def call(self, poster, request_id=1, *headers, **params):
        """Post a call by another connection, and read its result on the stream."""
        posted = await poster.post(request("tools/call", request_id, **params), *headers, path=self.endpoint)
        assert posted.status == 202, posted
        answer = json.loads(await self.event())
        assert answer["id"] == request_id
        return answer["result"]["pid"], answer["result"]["count"]


@asynccontextmanager
async def streaming(port, *headers):
    """A stream that has named its endpoint."""
    async with raw_client(port) as client:
        client.write("GET", "/sse", ("accept", "text/event-stream"), *headers)
        head = await client.head()
        assert head.status == 200, head
        stream = Stream(client)
        stream.endpoint = await stream.event()
        yield stream
