"""What proves a server of HTTP ready, and what does not."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.aio import run
from tests.support.raw_http import raw_server

from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.readiness import NotReadyError, SseProbe, StreamableProbe, wait_ready
from workloads.proxyrunner.upstream import Upstream

INITIALIZED = {"protocolVersion": "2025-11-25", "capabilities": {}}
DISCOVERED = {"supportedVersions": ["2026-07-28"]}
JSON = ("content-type", "application/json")
SSE = ("content-type", "text/event-stream")


def probe(handle, kind=StreamableProbe, times=1):
    """Ask so many times. Returns what was said instead of being ready, and the requests that were made."""

    async def body():
        async with raw_server(handle, ready=False) as server:
            upstream = Upstream()
            subject = kind(upstream, ReplicaAddress("127.0.0.1", server.port))
            try:
                for _ in range(times):
                    await subject()
            except NotReadyError as error:
                return error.answer, server.seen
            finally:
                await upstream.close()
            return None, server.seen

    return run(body())


def reply(request, **outcome):
    return json.dumps({"jsonrpc": "2.0", "id": request.json["id"], **outcome}).encode()


def answering(**methods):
    """A server that answers these methods with ``(status, outcome)``, and others with 404."""

    async def handle(exchange):
        if exchange.request.start.startswith(b"DELETE"):
            await exchange.answer(204)
            return
        method = exchange.request.json["method"].rpartition("/")[2]
        status, outcome = methods.get(method, (404, None))
        if outcome is None:
            await exchange.answer(status, b"Nothing here", ("content-type", "text/plain"))
        else:
            headers = [JSON, ("mcp-session-id", "s1")] if method == "initialize" else [JSON]
            await exchange.answer(status, reply(exchange.request, **outcome), *headers)

    return handle


def test_a_modern_server_answers_discover_and_keeps_nothing_of_the_probe():
    said, seen = probe(answering(discover=(200, {"result": DISCOVERED})))
    assert said is None
    (request,) = seen
    assert request.get("mcp-protocol-version") == "2026-07-28"
    assert request.get("mcp-method") == "server/discover"
    assert request.json["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


@pytest.mark.parametrize("code", [-32020, -32021, -32022])
def test_an_error_that_only_modern_servers_give_proves_one(code):
    assert probe(answering(discover=(400, {"error": {"code": code, "message": "no"}})))[0] is None


@pytest.mark.parametrize(
    "discover",
    [(400, {"error": {"code": -32600, "message": "Missing session ID"}}), (404, None), (405, None), (200, None),
     (200, {"error": {"code": -32601, "message": "what?"}}), (400, {"result": DISCOVERED})],
)  # fmt: skip
def test_a_legacy_server_is_initialized_and_its_session_ended(discover):
    said, seen = probe(answering(discover=discover, initialize=(200, {"result": INITIALIZED})))
    assert said is None
    assert [request.start.split()[0] for request in seen] == [b"POST", b"POST", b"DELETE"]
    assert seen[1].get("mcp-protocol-version") is None
    assert seen[2].get("mcp-session-id") == "s1"


def test_an_answer_in_a_stream_counts_too_though_the_stream_goes_on():
    async def handle(exchange):
        if exchange.request.start.startswith(b"DELETE"):
            await exchange.answer(405)
        elif exchange.request.json["method"] == "server/discover":
            await exchange.answer(400, b"{}", JSON)
        else:
            await exchange.start(200, SSE, ("transfer-encoding", "chunked"), ("mcp-session-id", "s"))
            await exchange.chunk(b": hello\n\nevent: message\ndata: " + reply(exchange.request, result=INITIALIZED)[:9])
            await exchange.chunk(reply(exchange.request, result=INITIALIZED)[9:] + b"\n\n")
            await exchange.gone()

    assert probe(handle)[0] is None


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
def test_who_may_not_ask_or_gets_an_outage_has_not_seen_a_ready_server(status):
    outcome = (status, {"result": {**DISCOVERED, **INITIALIZED}})
    said, seen = probe(answering(discover=outcome, initialize=outcome))
    assert f"POST /mcp: {status}" in said
    assert all(request.json["method"] == "server/discover" for request in seen)


def test_a_page_is_no_server_of_the_protocol_and_what_it_said_is_told():
    """TH-13.41: GET on `/` < 500 counts as healthy, even for 404."""

    async def handle(exchange):
        await exchange.answer(200, b"<html>It works!</html>", ("content-type", "text/html"))

    assert probe(handle)[0] == "POST /mcp: 200 OK; POST /: 200 OK"


def test_an_error_of_the_protocol_is_told_in_words():
    refused = (400, {"error": {"code": -32600, "message": "not yet"}})
    said, _ = probe(answering(discover=refused, initialize=refused))
    assert "POST /mcp: 400 Bad Request, error -32600: not yet" in said


def test_a_server_at_the_root_is_found_and_remembered():
    async def handle(exchange):
        if exchange.request.start.startswith(b"POST / "):
            await exchange.answer(200, reply(exchange.request, result=DISCOVERED), JSON)
        else:
            await exchange.answer(404)

    said, seen = probe(handle, times=3)
    assert said is None
    assert [request.start.split()[1] for request in seen].count(b"/mcp") == 2
    assert [request.start.split()[1] for request in seen].count(b"/") == 3


def test_a_redirect_is_followed_once():
    async def handle(exchange):
        path = exchange.request.start.split()[1].decode()
        if path == "/mcp/":
            await exchange.answer(200, reply(exchange.request, result=DISCOVERED), JSON)
        else:
            await exchange.answer(307, b"", ("location", "/mcp/" if path == "/mcp" else path))

    assert probe(handle)[0] is None

    async def circle(exchange):
        await exchange.answer(307, b"", ("location", "/mcp"))

    said, seen = probe(circle)
    assert "307 Temporary Redirect" in said
    assert len(seen) < 10


def test_an_answer_without_end_is_given_up():
    async def handle(exchange):
        await exchange.start(200, JSON, ("transfer-encoding", "chunked"))
        while True:
            await exchange.chunk(b"x" * 2**16)

    assert "too long" in probe(handle)[0]
    assert "too long" in probe(sse(b"data: " + b"x" * 2**21), SseProbe)[0]


def test_a_server_that_hangs_up_is_not_ready():
    async def handle(exchange):
        exchange.reset()

    assert "POST /mcp" in probe(handle)[0]


def test_a_stream_that_breaks_off_is_no_answer():
    async def handle(exchange):
        await exchange.start(200, SSE, ("transfer-encoding", "chunked"))
        await exchange.chunk(b"data: {")
        exchange.reset()

    assert probe(handle)[0] is not None


def sse(*parts, status=200, kind=SSE, end=False):
    async def handle(exchange):
        if exchange.request.start.split()[1] != b"/sse":
            await exchange.answer(404)
            return
        await exchange.start(status, kind, ("transfer-encoding", "chunked"))
        for part in parts:
            await exchange.chunk(part)
        if end:
            await exchange.chunk(b"")
        else:
            await exchange.gone()

    return handle


def test_an_sse_server_is_ready_when_it_names_its_endpoint():
    assert probe(sse(b"event: endp", b"oint\r\ndata: /messages\r\n\r\n"), SseProbe)[0] is None


@pytest.mark.parametrize(
    ("handle", "said"),
    [
        (sse(b": hi\n\n", end=True), "GET /sse: the stream ended without an endpoint"),
        (sse(b"x", status=503, end=True), "GET /sse: 503 Service Unavailable"),
        (sse(b"x", kind=JSON, end=True), "GET /sse: 200 OK"),
    ],
)
def test_an_sse_server_that_does_not_is_not(handle, said):
    assert probe(handle, SseProbe)[0] == f"{said}; GET /: 404 Not Found"


def test_asking_goes_on_until_the_answer_is_right_and_every_other_answer_is_noted(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.readiness._PROBE_TIMEOUT", 0.05)
    outcomes = [NotReadyError("Connection refused", refused=True), "silence", NotReadyError("503"), None]
    noted = []

    async def ask():
        match outcomes.pop(0):
            case NotReadyError() as error:
                raise error
            case "silence":
                await asyncio.Event().wait()

    assert run(wait_ready(ask, noted.append)) >= 0
    assert noted == ["Connection refused", "no answer within 0.05 s", "503"]
