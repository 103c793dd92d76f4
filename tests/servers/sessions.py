"""A streamable HTTP server with sessions, on the standard library alone, that says which process answered.

Every answer has the header ``X-Pid``. ``initialize`` begins a session; a message of a session that is not this
process's own gets status 418, which nobody else says, or that of the environment's ``UNKNOWN``. ``tools/call`` takes
``seconds``, or until the file ``until`` exists, and counts itself in its session; the method ``crash`` ends the
process. The environment's ``FAILING`` names working folders in which it exits at once.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

MODERN = "2026-07-28"
RESULT = {"supportedVersions": [MODERN], "protocolVersion": "2025-11-25", "capabilities": {}, "pid": os.getpid()}
SESSIONS: dict[str, int] = {}
UNKNOWN = int(os.environ.get("UNKNOWN", "418"))
COUNTING = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, else each answer waits for the acknowledgement of its head

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = message.get("method")
        if method == "initialize":
            session = str(uuid.uuid4())
            SESSIONS[session] = 0
            self.answer(200, message, ("Mcp-Session-Id", session))
        elif method == "server/discover" or self.headers["Mcp-Protocol-Version"] == MODERN or self.known():
            if method == "crash":
                os._exit(3)
            if method == "tools/call":
                print(f"called {os.getpid()}", file=sys.stderr, flush=True)
                time.sleep(message["params"].get("seconds", 0))
                while "until" in message["params"] and not os.access(message["params"]["until"], os.F_OK):
                    time.sleep(0.01)
            self.answer(200 if "id" in message and method else 202, message, counted=method == "tools/call")

    def do_GET(self) -> None:
        if self.known():
            self.send(200, b'data: {"jsonrpc":"2.0","method":"told"}\n\n', ("Content-Type", "text/event-stream"))

    def do_DELETE(self) -> None:
        if self.known():
            SESSIONS.pop(self.headers["Mcp-Session-Id"], None)
            self.send(200, b"")

    def known(self) -> bool:
        known = self.headers["Mcp-Session-Id"] in SESSIONS
        if not known:
            self.send(UNKNOWN, b"")
        return known

    def answer(self, status: int, message: dict, *headers: tuple[str, str], counted: bool = False) -> None:
        result = RESULT | {"count": self.count()} if counted else RESULT
        if "task" in message.get("params", {}):
            result = result | {"taskId": f"task-ä-{os.getpid()}"}
        body = {"jsonrpc": "2.0", "id": message["id"], "result": result} if status == 200 else None
        self.send(status, json.dumps(body).encode() if body else b"", ("Content-Type", "application/json"), *headers)

    def count(self) -> int | None:
        session = self.headers["Mcp-Session-Id"]
        with COUNTING:
            if session in SESSIONS:
                SESSIONS[session] += 1
            return SESSIONS.get(session)

    def send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("X-Pid", str(os.getpid())), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


def main() -> None:
    if Path.cwd().name in os.environ.get("FAILING", "").split():
        print("failing", file=sys.stderr, flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = http.server.ThreadingHTTPServer((os.environ["MCP_HOST"], int(os.environ["MCP_PORT"])), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
