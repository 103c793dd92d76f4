"""A server on standard input and output that gives a text back, on the standard library alone; of the old era."""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    for line in sys.stdin.buffer:
        message = json.loads(line)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id")}
        match message.get("method"):
            case "initialize":
                answer["result"] = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "echo", "version": "1"},
                }
            case "tools/list":
                answer["result"] = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
            case "tools/call":
                answer["result"] = {"content": [{"type": "text", "text": message["params"]["arguments"]["text"]}]}
            case _:
                answer["error"] = {"code": -32601, "message": "Method not found"}
        if "id" in message:
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
