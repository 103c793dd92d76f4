"""Spans of OpenTelemetry, one a request."""

from __future__ import annotations

import json

import pytest
from tests.unit.proxyrunner.middleware.asgi_calls import Server, call

from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.body import BodyError
from workloads.proxyrunner.middleware import MiddlewareContext
from workloads.proxyrunner.replies import plain

pytestmark = pytest.mark.needs("opentelemetry")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())


@pytest.fixture
def spans(monkeypatch):
    """Every span that has ended, of a provider that only this test has."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter.get_finished_spans
    provider.shutdown()


def around(application):
    from workloads.proxyrunner.middleware.telemetry import make

    return make(None, MiddlewareContext("notes", 1000))(application)


def message(method="tools/call", **params):
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()


def test_a_span_tells_of_the_request_and_its_answer(spans):
    server = Server(b"{}", headers=[(b"mcp-session-id", b"session-canary")])
    headers = [(b"user-agent", b"client/1"), (b"mcp-protocol-version", b"2025-11-25")]
    call(around(server), message(name="find", arguments={"q": "argument-canary"}), headers=headers)
    (span,) = spans()
    assert (span.name, span.kind.name, span.status.status_code.name) == ("tools/call find", "SERVER", "UNSET")
    attributes = dict(span.attributes)
    assert len(attributes.pop("mcp.session.id")) == 12
    assert attributes == {
        "http.request.method": "POST",
        "url.path": "/mcp",
        "url.scheme": "http",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "user_agent.original": "client/1",
        "mcp.protocol.version": "2025-11-25",
        "mcp.method.name": "tools/call",
        "jsonrpc.request.id": "7",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "find",
        "http.response.status_code": 200,
        "workloads.workload": "notes",
    }
    assert "canary" not in span.to_json()


@pytest.mark.parametrize(
    ("body", "name", "attribute"),
    [
        (message("prompts/get", name="greet"), "prompts/get greet", ("gen_ai.prompt.name", "greet")),
        (message("resources/read", uri="file:///a"), "resources/read", ("mcp.resource.uri", "file:///a")),
        (message("tools/list"), "tools/list", ("mcp.method.name", "tools/list")),
        (message(5), "POST", ("http.request.method", "POST")),
        (b"no json", "POST", ("http.request.method", "POST")),
        (b"[]", "POST", ("http.request.method", "POST")),
        (message(name=["no", "text"]), "tools/call", ("mcp.method.name", "tools/call")),
    ],
)
def test_the_span_is_named_after_the_message(spans, body, name, attribute):
    call(around(Server()), body)
    (span,) = spans()
    assert span.name == name
    assert attribute in span.attributes.items()


@pytest.mark.parametrize(
    "body",
    [
        message("\ud800"),
        message(name="\ud800"),
        json.dumps(
            {"jsonrpc": "2.0", "id": "\ud800", "method": "resources/read", "params": {"uri": "\udfff"}}
        ).encode(),
    ],
)
def test_half_a_character_is_not_handed_to_exporters_which_would_lose_all_spans_with_it(spans, body):
    call(around(Server()), body)
    (span,) = spans()
    assert "\\ud" in "".join(map(str, span.attributes.values()))
    for text in (span.name, *span.attributes.values()):
        str(text).encode()


def test_it_continues_the_trace_of_the_client_and_the_server_continues_it(spans):
    server = Server()
    call(around(server), message(), headers=[TRACEPARENT, (b"tracestate", b"a=b"), (b"x-other", b"1")])
    (span,) = spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    passed_on = [item for item in server.scope["headers"] if item[0] in (b"traceparent", b"tracestate", b"x-other")]
    ours = f"00-{TRACE}-{span.context.span_id:016x}-01".encode()
    assert sorted(passed_on) == [(b"traceparent", ours), (b"tracestate", b"a=b"), (b"x-other", b"1")]


@pytest.mark.parametrize("given", [[], [(b"traceparent", b"nonsense")]])
def test_without_a_trace_of_the_client_one_begins(spans, given):
    server = Server()
    call(around(server), message(), headers=given)
    (span,) = spans()
    assert span.parent is None
    (passed_on,) = [value for name, value in server.scope["headers"] if name == b"traceparent"]
    context = span.context
    assert passed_on == f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()


def test_without_a_provider_the_trace_of_the_client_goes_on_as_it_came():
    server = Server()
    call(around(server), message(), headers=[TRACEPARENT])
    assert [item for item in server.scope["headers"] if item[0] == b"traceparent"] == [TRACEPARENT]


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (500, True), (503, True)])
def test_an_answer_that_tells_of_a_failure_fails_the_span(spans, status, failed):
    async def answer(scope, receive, send):
        await respond(send, plain(status, "x"))

    call(around(answer))
    (span,) = spans()
    assert (span.status.status_code.name == "ERROR") is failed
    assert span.attributes.get("error.type") == (str(status) if failed else None)


def test_an_error_behind_it_fails_the_span_and_goes_on(spans):
    async def fail(scope, receive, send):
        raise LookupError("x")

    with pytest.raises(LookupError):
        call(around(fail))
    (span,) = spans()
    assert (span.status.status_code.name, span.attributes["error.type"]) == ("ERROR", "LookupError")
    assert [event.name for event in span.events] == ["exception"]


def test_what_the_proxy_refuses_itself_is_no_failure(spans):
    async def refuse(scope, receive, send):
        raise BodyError(plain(413, "x"))

    with pytest.raises(BodyError):
        call(around(refuse))
    (span,) = spans()
    assert (span.status.status_code.name, span.events) == ("UNSET", ())
