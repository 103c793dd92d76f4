"""What of the bridge is the same for both eras."""

from __future__ import annotations

import asyncio
import json

from tests.support.aio import run, until
from tests.support.bridge_client import Connection

from workloads.proxyrunner.asgi import CONNECTION, respond
from workloads.proxyrunner.bridge.app import Bridge
from workloads.proxyrunner.gate import Gate
from workloads.proxyrunner.replies import json_reply


class Front:
    """Takes everything."""

    def __init__(self):
        self.kinds = []
        self.discovered = {"supportedVersions": ["2026-07-28"]}

    async def post(self, request):
        self.kinds.append(request.kind.name)
        await respond(request.send, json_reply(202, b""))


def scope():
    headers = [
        (b"content-type", b"application/json"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"server/discover"),
    ]
    return {"method": "POST", "path": "/mcp", "headers": headers, CONNECTION: Connection()}


def test_a_notification_that_is_called_like_the_probe_waits_for_the_server_like_any_other():
    async def body():
        gate, front, sent = Gate(), Front(), []
        bridge = Bridge(gate)

        async def post(**message):
            message = {"jsonrpc": "2.0", "method": "server/discover", **message}

            async def receive():
                return {"type": "http.request", "body": json.dumps(message).encode()}

            async def send(message):
                sent.append(message)

            await bridge(scope(), receive, send)

        gate.open(front)
        await post(id=1)
        gate.shut()
        posting = asyncio.create_task(post())
        await until(lambda: posting.done() or gate._held)
        gate.open(front)
        await posting
        assert front.kinds == ["REQUEST", "NOTIFICATION"]
        assert [message["status"] for message in sent if "status" in message] == [202, 202]

    run(body())
