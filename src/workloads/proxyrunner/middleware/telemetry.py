"""``telemetry``: a span of OpenTelemetry for each request, in the trace of the client, and the server's in that one.

Spans go to whatever tracer provider the process has. Their attributes have the names of OpenTelemetry's semantic
conventions for HTTP and MCP. The query of the URL, what a call passes and what it returns are left out: they may be
secret. So is the id of the session; there is a digest of it instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, StatusCode

from workloads.proxyrunner.access_log import digest, mcp_method
from workloads.proxyrunner.asgi import ClientGoneError, header
from workloads.proxyrunner.body import BodyError
from workloads.proxyrunner.jsonrpc import members, whole
from workloads.proxyrunner.peek import Peek
from workloads.proxyrunner.record import Record

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from workloads.proxyrunner.asgi import Application, Headers, Receive, Scope, Send
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext

__all__ = ("make",)

# What a method acts on: the attribute that names it, and the member of its parameters.
_TARGETS = {
    "tools/call": ("gen_ai.tool.name", "name"),
    "prompts/get": ("gen_ai.prompt.name", "name"),
    "resources/read": ("mcp.resource.uri", "uri"),
    "resources/subscribe": ("mcp.resource.uri", "uri"),
    "resources/unsubscribe": ("mcp.resource.uri", "uri"),
}
# A URI says much and differs from one request to the next: it is no part of a span's name.
_NAMING = frozenset(("gen_ai.tool.name", "gen_ai.prompt.name"))


def make(_parameters: Any, context: MiddlewareContext) -> Middleware:
    """The middleware. Where its spans go is for the process to say, so its parameters are not looked at."""
    return lambda application: _Telemetry(application, context.workload)


class _Telemetry:
    def __init__(self, application: Application, workload: str) -> None:
        self._application = application
        self._workload = workload
        self._tracer = trace.get_tracer("workloads.proxyrunner")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, peek = Record(send), Peek(receive)
        asked: Headers = scope["headers"]
        named = header(asked, b"mcp-method")
        with self._tracer.start_as_current_span(
            scope["method"] if named is None else named.decode("latin-1"),
            context=propagate.extract(asked, getter=_HEADERS),
            kind=SpanKind.SERVER,
            attributes={**_of_request(scope), "workloads.workload": self._workload},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._application({**scope, "headers": _passed_on(asked)}, peek.receive, record.send)
            except (BodyError, ClientGoneError):
                # No failures: the proxy answers the one, and nobody waits for an answer to the other.
                raise
            except Exception as error:
                span.record_exception(error)
                _fail(span, type(error).__qualname__)
                raise
            finally:
                if span.is_recording():
                    _tell_message(span, scope, peek)
                    _tell_answer(span, asked, record)


class _HeaderGetter(Getter["Headers"]):
    """Reads what a trace is continued from out of the headers of a request."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Every value of a header."""
        name = key.lower().encode()
        return [value.decode("latin-1") for each, value in carrier if each == name] or None

    def keys(self, carrier: Headers) -> list[str]:
        """The names of all headers."""
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS = _HeaderGetter()


def _passed_on(asked: Headers) -> Headers:
    """The headers of a request, in which the current span is the parent of what the server does."""
    ours: dict[str, str] = {}
    propagate.inject(ours)
    replaced = {name.lower().encode() for name in propagate.get_global_textmap().fields}
    kept = [item for item in asked if item[0] not in replaced]
    return [*kept, *((name.lower().encode(), value.encode("latin-1")) for name, value in ours.items())]


def _of_request(scope: Scope) -> dict[str, str | int]:
    """What is known of a request before it is served."""
    asked: Headers = scope["headers"]
    attributes: dict[str, str | int] = {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    for name, pair in (("server", scope.get("server")), ("client", scope.get("client"))):
        if pair is not None:
            attributes |= {f"{name}.address": pair[0], f"{name}.port": pair[1]}
    for name, key in (("user_agent.original", b"user-agent"), ("mcp.protocol.version", b"mcp-protocol-version")):
        value = header(asked, key)
        if value is not None:
            attributes[name] = value.decode("latin-1")
    return attributes


def _tell_message(span: Span, scope: Scope, peek: Peek) -> None:
    """Add what the JSON-RPC message says, which is known once it was received."""
    message, method = peek.message(), mcp_method(scope, peek.text)
    if not method:
        return
    span.set_attribute("mcp.method.name", method)
    name = method
    identifier = message.get("id")
    if isinstance(identifier, str | int):
        span.set_attribute("jsonrpc.request.id", whole(str(identifier)))
    if method == "tools/call":
        span.set_attribute("gen_ai.operation.name", "execute_tool")
    attribute, member = _TARGETS.get(method, ("", ""))
    target = members(message.get("params")).get(member)
    if isinstance(target, str):
        target = whole(target)  # exporters lose every span that they send with half a character
        span.set_attribute(attribute, target)
        if attribute in _NAMING:
            name = f"{method} {target}"
    span.update_name(name)


def _tell_answer(span: Span, asked: Headers, record: Record) -> None:
    session = record.session(asked)
    if session is not None:
        span.set_attribute("mcp.session.id", digest(session))
    if record.status:
        span.set_attribute("http.response.status_code", record.status)
        if record.status >= 500:
            _fail(span, str(record.status))


def _fail(span: Span, error: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", error)
