"""A stdio server by hand, of the era that ``ERA`` names, which writes all it hears to the file ``TRAIL``.

Its tools: ``echo`` (progress first, if it is asked for), ``wait`` (answers only when ``release`` is called), ``drop``
(never answers), ``crash``, ``noise`` (writes what is no message), ``ask`` (asks the client first), ``log``, ``mumble``
(progress, but no answer), ``change`` (says that the tools changed) and ``touch`` (says that a resource changed).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ERA = os.environ.get("ERA", "legacy")
TRAIL = Path(os.environ["TRAIL"]) if "TRAIL" in os.environ else None
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
waiting: list = []
listening: dict = {}


def say(**message) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def text(words) -> dict:
    result = {"content": [{"type": "text", "text": words}], "isError": False}
    return result | ({"resultType": "complete"} if ERA == "modern" else {})


def call(request) -> None:
    params = request["params"]
    arguments = params.get("arguments", {})
    match params["name"]:
        case "wait":
            waiting.append(request)
            return
        case "drop":
            return
        case "mumble":
            progress(params["_meta"]["progressToken"], {"steps": 1, "text": "mm"})
            return
        case "crash":
            os._exit(3)
        case "echo":
            progress(params.get("_meta", {}).get("progressToken"), arguments)
        case "release":
            for held in waiting:
                say(id=held["id"], result=text(held["params"]["arguments"]["text"]))
            waiting.clear()
        case other:
            disturb(other, arguments)
    say(id=request["id"], result=text(arguments.get("text", "done")))


def progress(token, arguments) -> None:
    for step in range(arguments.get("steps", 2) if token is not None else 0):
        said = {"progressToken": token, "progress": step + 1, "message": arguments["text"]}
        say(method="notifications/progress", params=said)


def disturb(name, arguments) -> None:
    match name:
        case "noise":
            print("this is no JSON\n\n[]\n{}\nnull", flush=True)
        case "ask":
            say(id=99, method="sampling/createMessage", params={})
        case "log":
            say(method="notifications/message", params={"level": "info", "data": arguments["text"]})
        case "change":
            say(method="notifications/tools/list_changed")
        case "touch":
            touch(arguments["uri"])


def touch(uri) -> None:
    if ERA == "legacy":
        say(method="notifications/resources/updated", params={"uri": uri})
    for listener in listening:
        say(method="notifications/resources/updated", params={"uri": uri, "_meta": {SUBSCRIPTION: listener}})


def open_legacy(request) -> None:
    if ERA == "modern":
        supported = {"supported": ["2026-07-28"], "requested": request["params"]["protocolVersion"]}
        say(id=request["id"], error={"code": -32022, "message": "Unsupported protocol version", "data": supported})
        return
    capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
    server = {"name": "lines", "version": "1"}
    say(id=request["id"], result={"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": server})


def open_modern(request) -> None:
    if os.environ.get("EXIT_ON_DISCOVER"):
        os._exit(0)
    if ERA == "legacy":
        say(id=request["id"], error={"code": -32601, "message": "Method not found"})
        return
    result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "resources": {"subscribe": True}}}
    say(id=request["id"], result=result | {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"})


def listen(request) -> None:
    if not isinstance(request["params"]["notifications"], dict):
        say(id=request["id"], error={"code": -32602, "message": "notifications must be an object"})
        return
    listening[request["id"]] = request
    frame = {"notifications": request["params"]["notifications"], "_meta": {SUBSCRIPTION: request["id"]}}
    say(method="notifications/subscriptions/acknowledged", params=frame)


def main() -> None:
    for line in sys.stdin:
        if TRAIL is not None:
            with TRAIL.open("a", encoding="utf-8") as file:
                file.write(line)
        request = json.loads(line)
        match request.get("method"):
            case "initialize":
                open_legacy(request)
            case "server/discover":
                open_modern(request)
            case "tools/call":
                call(request)
            case "tools/list":
                schema = {"type": "object"}
                tools = [{"name": name, "inputSchema": schema} for name in ("echo", "wait", "release", "touch")]
                hints = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if ERA == "modern" else {}
                say(id=request["id"], result={"tools": tools} | hints)
            case "subscriptions/listen":
                listen(request)
            case "notifications/cancelled":
                listening.pop(request["params"]["requestId"], None)
            case "resources/subscribe" | "resources/unsubscribe" | "ping":
                say(id=request["id"], result={})
            case "fail":
                say(id=request["id"], error={"code": -32601, "message": "Method not found"})


if __name__ == "__main__":
    main()
