"""Calls of ASGI applications, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


def call(application: Any, body: bytes = b"", *, method: str = "POST", path: str = "/mcp", headers: Any = ()) -> Answer:
    """What an application answers to one request."""
    length = [(b"content-length", str(len(body)).encode())] if body else []
    scope = {"type": "http", "method": method, "path": path, "headers": [*length, *headers]}
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    answer = Answer()

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], dict(message["headers"])
        else:
            answer.body += message.get("body", b"")

    asyncio.run(application(scope, receive, send))
    return answer


class Server:
    """An application that remembers the last request and gives a fixed answer, in parts."""

    def __init__(self, *parts: bytes, kind: bytes = b"application/json", headers: Any = ()) -> None:
        self.parts = parts or (b"",)
        self.headers = [(b"content-type", kind), *headers]
        self.scope: Any = None
        self.body: bytes | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.body = (await receive())["body"]
        length = [(b"content-length", str(sum(map(len, self.parts))).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers, *length]})
        for index, part in enumerate(self.parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": index < len(self.parts)})
