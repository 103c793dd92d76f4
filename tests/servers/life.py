"""A server that lives as it is told: over HTTP when MCP_PORT is set, else on standard input and output.

``LIFE`` is a JSON object: ``print`` (a line to write to standard error), ``exit`` (end at once with this code),
``ready_after`` (seconds before it listens or answers), ``exit_after`` (seconds after which it ends), ``deaf`` (ignore
SIGTERM), ``trail`` (a file to which it writes what happens to it; ``in use``: ended before it had answered),
``silent`` (never answer), ``status`` (answer every request with this HTTP status), ``accepted`` (a file to which it
writes the monotonic time at which its first client came), ``beat`` (seconds between what it writes to a stream, which
then ends when nobody reads it), ``page`` (the HTML with which it answers instead of a stream).

A call takes as many ``seconds`` as it says, or as long as the file ``until`` does not exist.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

LIFE = json.loads(os.environ.get("LIFE", "{}"))
RESULT = {"supportedVersions": ["2026-07-28"], "protocolVersion": "2025-11-25", "capabilities": {}}


def trail(word: str) -> None:
    if "trail" in LIFE:
        with Path(LIFE["trail"]).open("a", encoding="utf-8") as file:
            file.write(f"{word}\n")


class Serving:
    """How many requests have no answer yet. Who reads a stream knows best when that is cut."""

    now = 0
    lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            Serving.now += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            Serving.now -= 1


def answer_of(request: dict) -> dict | None:
    if LIFE.get("silent") or "id" not in request:
        return None
    if request.get("method") == "tools/call" and "seconds" in request["params"]:
        time.sleep(request["params"]["seconds"])
    if "until" in request.get("params", {}):
        trail("called")
        while not Path(request["params"]["until"]).exists():
            time.sleep(0.01)
    if request.get("method") == "crash":
        os._exit(3)
    return {"jsonrpc": "2.0", "id": request["id"], "result": RESULT | {"pid": os.getpid()}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Serving():
            body = json.dumps(answer_of(request)).encode()
        self.send_response(LIFE.get("status", 200))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """A stream that does not end, or a page."""
        self.page() if "page" in LIFE else self.stream()

    def page(self) -> None:
        body = LIFE["page"].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b": open\n\n")
        while "beat" in LIFE:
            time.sleep(LIFE["beat"])
            try:
                self.wfile.write(b": beat\n\n")
            except OSError:
                return
        time.sleep(1000)

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    accepted = False

    def get_request(self) -> tuple[socket.socket, object]:
        found = super().get_request()
        if not self.accepted and "accepted" in LIFE:
            Path(LIFE["accepted"]).write_text(str(time.monotonic()), encoding="utf-8")
        self.accepted = True
        return found


def terminated(*_: object) -> None:
    trail("in use" if Serving.now else "terminated")
    os._exit(0)


def serve_stdio() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        answer = answer_of(request)
        if answer is not None and request["method"] == "server/discover":
            del answer["result"]
            answer["error"] = {"code": -32601, "message": "Method not found"}
        if answer is not None:
            print(json.dumps(answer), flush=True)
    trail("end of input")


def main() -> None:
    trail("started")
    if "print" in LIFE:
        print(LIFE["print"], file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if LIFE.get("deaf") else terminated)
    if "exit" in LIFE:
        sys.exit(LIFE["exit"])
    time.sleep(LIFE.get("ready_after", 0))
    if "exit_after" in LIFE:
        threading.Timer(LIFE["exit_after"], lambda: os._exit(LIFE.get("code", 0))).start()
    if "MCP_PORT" in os.environ:
        Server((os.environ["MCP_HOST"], int(os.environ["MCP_PORT"])), Handler).serve_forever()
    else:
        serve_stdio()


if __name__ == "__main__":
    main()
