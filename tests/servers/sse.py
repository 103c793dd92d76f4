"""A server of the old SSE transport, on the standard library alone, that says which process answered.

A stream at ``/sse`` names the endpoint of its session, which lives as long as the stream. What is posted there is
answered on the stream: with the process, and how many messages of the session there were. ``tools/call`` takes
``seconds``. What is posted for no session of this process's own gets status 404.
"""

from __future__ import annotations

import http.server
import json
import os
import queue
import signal
import time
import uuid
from urllib.parse import parse_qs, urlsplit

STREAMS: dict[str, queue.Queue[dict]] = {}
KEEP_ALIVE = 0.1


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        session = uuid.uuid4().hex
        messages = STREAMS[session] = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        count = 0
        try:
            self.tell(f"event: endpoint\r\ndata: /messages?session_id={session}\r\n\r\n")
            while True:
                try:
                    message = messages.get(timeout=KEEP_ALIVE)
                except queue.Empty:
                    self.tell(": ping\r\n\r\n")
                    continue
                count += 1
                if message["method"] == "tools/call":
                    time.sleep(message["params"].get("seconds", 0))
                result = {"pid": os.getpid(), "count": count}
                answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
                self.tell(f"event: message\r\ndata: {answer}\r\n\r\n")
        except OSError:
            del STREAMS[session]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stream = STREAMS.get(*parse_qs(urlsplit(self.path).query).get("session_id", ["none"]))
        if stream is not None:
            stream.put(message)
        self.send_response(404 if stream is None else 202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def tell(self, event: str) -> None:
        self.wfile.write(event.encode())
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        """Nothing."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = http.server.ThreadingHTTPServer((os.environ["MCP_HOST"], int(os.environ["MCP_PORT"])), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
