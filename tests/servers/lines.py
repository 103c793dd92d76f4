"""A stdio server by hand, of the era that ``ERA`` names, which writes all it hears to the file ``TRAIL``.

Its tools: ``echo`` (progress first, if it is asked for), ``wait`` (answers only when ``release`` is called), ``drop``
(never answers), ``crash``, ``noise`` (writes what is no message), ``ask`` (asks the client first), ``log``, ``mumble``
(progress, but no answer), ``change`` (says that the tools changed), ``touch`` (says that a resource changed), ``pid``,
``hang_up`` (ends all subscriptions), and ``question`` (asks the client for its name in the way of the era, as often as
``times`` says).

``ERA`` is ``legacy``, ``modern``, or ``both``: then the first request decides, as it does for servers of the SDK.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ERA = os.environ.get("ERA", "legacy")
TRAIL = Path(os.environ["TRAIL"]) if "TRAIL" in os.environ else None
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
FORM = {"message": "your name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
waiting: list = []
listening: dict = {}
asked: dict = {}


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
        case "question":
            question(request)
            return
        case "pid":
            arguments = {"text": str(os.getpid())}
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
        case "hang_up":
            for listener in listening:
                say(id=listener, result={"resultType": "complete"})
            listening.clear()
        case "touch":
            touch(arguments["uri"])


def question(request) -> None:
    """Ask, once more if need be; the answer tells what the client said, and what it was said to be able to do."""
    params = request["params"]
    arguments = params["arguments"]
    method = arguments.get("method", "elicitation/create")
    if ERA == "legacy":
        asked[f"q{request['id']}"] = request
        say(id=f"q{request['id']}", method=method, params=FORM if method == "elicitation/create" else {})
        return
    count = int(params.get("requestState", "0"))
    if count < arguments.get("times", 1):
        result = {"resultType": "input_required", "requestState": str(count + 1)}
        result["inputRequests"] = {"who": {"method": method, "params": {**FORM, "mode": "form"}}}
        say(id=request["id"], result=result)
        return
    say(id=request["id"], result=text(json.dumps(params["inputResponses"]["who"])))


def answered(message) -> None:
    """A client answered, or the bridge did in its place."""
    request = asked.pop(message["id"], None)
    if request is None:
        return
    arguments = request["params"]["arguments"]
    arguments["times"] = arguments.get("times", 1) - 1
    if arguments["times"] > 0 and "result" in message:
        question(request)
    else:
        say(id=request["id"], result=text(json.dumps(message.get("result", {"error": message.get("error")}))))


def touch(uri) -> None:
    if ERA == "legacy":
        say(method="notifications/resources/updated", params={"uri": uri})
    for listener in listening:
        say(method="notifications/resources/updated", params={"uri": uri, "_meta": {SUBSCRIPTION: listener}})


def open_legacy(request) -> None:
    choose("legacy")
    if ERA == "modern":
        supported = {"supported": ["2026-07-28"], "requested": request["params"]["protocolVersion"]}
        say(id=request["id"], error={"code": -32022, "message": "Unsupported protocol version", "data": supported})
        return
    if os.environ.get("SLOW_INITIALIZE") and request["params"]["clientInfo"]["name"] != "workloads":
        return
    capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
    server = {"name": "lines", "version": "1"}
    say(id=request["id"], result={"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": server})


def choose(era) -> None:
    global ERA  # noqa: PLW0603  # as it is for the whole process
    if ERA == "both":
        ERA = era


def open_modern(request) -> None:
    choose("modern")
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
            case None:
                answered(request)
            case "notifications/cancelled":
                listening.pop(request["params"]["requestId"], None)
            case "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel" | "ping":
                say(id=request["id"], result={})
            case "fail":
                say(id=request["id"], error={"code": -32601, "message": "Method not found"})


if __name__ == "__main__":
    main()
