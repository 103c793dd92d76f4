"""A stdio MCP server on the standard library alone: starts in some 20 ms, and misbehaves when told to.

Tools: ``echo`` gives its text back, ``env`` the server's environment, ``die`` ends the process without an answer,
``slow`` takes so many seconds, or until a file exists.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--die", type=int, help="exit at once with this code")
parser.add_argument("--ignore-term", action="store_true", help="ignore SIGTERM, and a closed input")
parser.add_argument("--mute", action="store_true", help="never answer anything")
parser.add_argument("--flood", type=int, default=0, help="first write so many lines of noise to both outputs")
parser.add_argument("--say", action="append", default=[], help="write this line to the log at the start")
options = parser.parse_args()

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "env", "die", "slow")]


def call(params: dict) -> dict:
    name, arguments = params["name"], params.get("arguments") or {}
    if name == "die":
        os._exit(9)
    if name == "slow":
        print("slow begins", file=sys.stderr, flush=True)
        time.sleep(arguments.get("seconds", 0))
        while "until" in arguments and not os.access(arguments["until"], os.F_OK):
            time.sleep(0.01)
    text = arguments.get("text", "") if name in ("echo", "slow") else json.dumps(dict(os.environ))
    print(f"called {name}", file=sys.stderr, flush=True)
    return {"content": [{"type": "text", "text": text}], "isError": False}


def answer(message: dict) -> dict:
    method = message["method"]
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        server = {"name": "quick", "version": "1"}
        return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
    if method == "tools/list":
        return {"result": {"tools": TOOLS}}
    if method == "tools/call":
        return {"result": call(message["params"])}
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    if options.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in options.say:
        print(line, file=sys.stderr, flush=True)
    if options.die is not None:
        print(f"dying with {options.die}", file=sys.stderr, flush=True)
        sys.exit(options.die)
    for index in range(options.flood):
        print(f"noise {index}")
        print(f"noise {index} " + "x" * 1000, file=sys.stderr)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message and not options.mute:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}), flush=True)
    while options.ignore_term:
        time.sleep(60)


main()
