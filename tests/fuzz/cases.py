"""What clients and servers might send each other: strategies for whole connections, well-formed and not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

METHODS = ["POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "PUT", "PATCH", "HEAD"]
TARGETS = [
    "/mcp", "/mcp", "/mcp", "/mcp/", "/sse", "/messages?session_id=s1", "/", "/health", "/mcp?q=%20&&a", "/a//b/../c",
    "/%ff%00", "*", "/" + "x" * 3000,
]  # fmt: skip
VERSIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "banana", "", "2025-11-25, 2026-07-28"]
RPC_METHODS = [
    "initialize", "notifications/initialized", "ping", "tools/list", "tools/call", "server/discover",
    "subscriptions/listen", "notifications/cancelled", "resources/subscribe", "logging/setLevel", "nothing/known", "",
]  # fmt: skip
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


@dataclass
class Request:
    """One request of a client.

    Attributes:
        method: The HTTP method.
        wire: All its bytes.
    """

    method: str
    wire: bytes

    def __repr__(self) -> str:
        return _short(self.wire)


@dataclass
class Case:
    """One connection of a client, and what the server behind the proxy answers meanwhile.

    Attributes:
        front: The runner that it goes to.
        requests: What the client sends, well-formed.
        cuts: Where what it sends is cut into packets.
        damage: What is done to those bytes: where, how many are taken away, and what comes there.
        leaves: Whether the client goes before it has an answer.
        answers: What the server writes, one for each request that reaches it; the last one goes on for ever.
    """

    front: str
    requests: list[Request]
    cuts: list[int]
    damage: list[tuple[int, int, bytes]]
    leaves: bool
    answers: list[Answer]

    @property
    def wire(self) -> bytes:
        """What the client sends."""
        data = b"".join(request.wire for request in self.requests)
        for place, taken, put in self.damage:
            place %= len(data) + 1
            data = data[:place] + put + data[place + taken :]
        return data

    @property
    def packets(self) -> list[bytes]:
        """The same, as it is sent."""
        data = self.wire
        places = sorted({cut % (len(data) + 1) for cut in self.cuts} | {0, len(data)})
        return [data[begin:end] for begin, end in pairwise(places)]


@dataclass
class Answer:
    """What the server behind the proxy does with one request.

    Attributes:
        wire: What it writes.
        then: What it does after: ``keep`` the connection, ``close`` or ``reset`` it.
    """

    wire: bytes
    then: str = "keep"

    def __repr__(self) -> str:
        return f"{_short(self.wire)}, then {self.then}"


def _short(wire: bytes) -> str:
    return repr(wire) if len(wire) < 500 else f"{wire[:500]!r} and {len(wire) - 500} bytes more"


_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8)
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
_ids = st.one_of(st.integers(0, 3), st.text(max_size=4), st.sampled_from([None, 1.5, -1, 2**70, True, [], {}]))
_params = st.one_of(
    st.just({}),
    st.just({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}),
    st.just({"name": "echo", "arguments": {"text": "x"}}),
    st.just({"_meta": {_VERSION_KEY: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}),
    _values,
)


@st.composite
def _message(draw: st.DrawFn) -> bytes:
    """A JSON-RPC message, or nearly one."""
    message = {"jsonrpc": draw(st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2]))}
    if draw(st.booleans()) or draw(st.booleans()):
        message["id"] = draw(_ids)
    kind = draw(st.sampled_from(["request", "request", "request", "result", "error", "neither"]))
    if kind == "request":
        message["method"] = draw(st.sampled_from(RPC_METHODS))
        message["params"] = draw(_params)
    elif kind != "neither":
        message[kind] = draw(_values)
    whole = [message] if draw(st.integers(0, 9)) == 0 else message
    return json.dumps(whole).encode()


_bodies = st.one_of(
    _message(), _message(), _message(), st.binary(max_size=64), st.just(b"[" * 5000), st.just(b'{"id":1e999}'),
    st.just(b"\xef\xbb\xbf{}"), st.integers(60_000, 140_000).map(lambda size: b'{"id":7,"x":"' + b"y" * size + b'"}'),
)  # fmt: skip
_token = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
_text = st.from_regex(rb"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]{0,30}[\x21-\x7e\x80-\xff])?", fullmatch=True)
_FRAMING = {b"content-length", b"transfer-encoding", b"host", b"connection", b"expect", b"upgrade"}
_unknown = st.tuples(_token, _text).filter(lambda item: item[0].lower() not in _FRAMING)
_known = st.one_of(
    st.tuples(st.just(b"MCP-Protocol-Version"), st.sampled_from(VERSIONS).map(str.encode)),
    st.tuples(st.just(b"Mcp-Method"), st.sampled_from(RPC_METHODS).map(str.encode)),
    st.tuples(st.just(b"Mcp-Name"), _text),
    st.tuples(st.just(b"Mcp-Session-Id"), st.one_of(st.sampled_from([b"s1", b"nobody", b"a b"]), _text)),
    st.tuples(st.just(b"Accept"), st.sampled_from([b"application/json, text/event-stream", b"*/*", b"text/html"])),
    st.tuples(st.just(b"Origin"), st.sampled_from([b"null", b"http://evil.example", b"http://localhost"])),
    st.tuples(st.just(b"Upgrade"), st.just(b"h2c")),
    st.tuples(st.just(b"Expect"), st.just(b"100-continue")),
    st.tuples(st.just(b"Last-Event-ID"), _text),
)


@st.composite
def _request(draw: st.DrawFn) -> Request:
    method, target = draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS))
    host = draw(st.sampled_from([b"localhost"] * 8 + [b"evil.example", b"", b"localhost:99999999", b"[::1"]))
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: " + host, b"Content-Type: application/json"]
    headers = draw(st.lists(st.one_of(_known, _known, _unknown), max_size=5))
    if any(name == b"Upgrade" for name, _ in headers):
        headers.append((b"Connection", b"Upgrade"))
    lines += [b"%s: %s" % item for item in headers]
    body = draw(_bodies) if method in ("POST", "PUT", "PATCH") or draw(st.integers(0, 9)) == 0 else b""
    if body and draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        size = draw(st.integers(1, max(1, len(body))))
        parts = [body[place : place + size] for place in range(0, len(body), max(size, len(body) // 50))][:200]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n"
        body += draw(st.sampled_from([b"\r\n", b"\r\n", b"Mcp-Session-Id: evil\r\n\r\n"]))
    elif body:
        lines.append(b"Content-Length: %d" % len(body))
    return Request(method, b"\r\n".join([*lines, b"", body]))


_INTERIM = [b""] * 5 + [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n"]
_STATUSES = [200, 200, 200, 202, 204, 299, 301, 304, 400, 404, 409, 418, 429, 501, 503, 599]
_heads = st.lists(
    st.one_of(
        _unknown,
        st.tuples(st.just(b"Mcp-Session-Id"), st.sampled_from([b"s1", b"s2", b"\xff"])),
        st.tuples(st.just(b"Content-Type"), st.sampled_from([b"application/json", b"text/event-stream", b""])),
        st.tuples(st.just(b"Connection"), st.sampled_from([b"close", b"keep-alive", b"x-gone"])),
    ),
    max_size=4,
)


@st.composite
def _answer(draw: st.DrawFn) -> Answer:
    status = draw(st.sampled_from(_STATUSES))
    interim = draw(st.sampled_from(_INTERIM))
    version = draw(st.sampled_from([b"1.1"] * 6 + [b"1.0"]))
    lines = [b"HTTP/%s %d What" % (version, status), *(b"%s: %s" % item for item in draw(_heads))]
    texts = st.sampled_from([
        b"data: {}\n\n: ping\n\n", b"z" * 300_000, b'{"result":{"requestState":"s","taskId":"\\ud800"}}',
        b"event: endpoint\ndata: /messages?session_id=s1\n\n", b"event: endpoint\ndata: http://[::1\n\n",
    ])  # fmt: skip
    body = draw(st.one_of(_message(), st.binary(max_size=40), texts))
    match draw(st.sampled_from(["length", "length", "chunked", "until closed", "too long", "both"])):
        case "length":
            lines.append(b"Content-Length: %d" % len(body))
        case "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\nX-Trailer: 1\r\n\r\n"
        case "until closed":
            return Answer(interim + b"\r\n".join([*lines, b"", body]), "close")
        case "too long":
            lines.append(b"Content-Length: %d" % (len(body) + 9))
            return Answer(interim + b"\r\n".join([*lines, b"", body]), draw(st.sampled_from(["close", "reset"])))
        case _:
            lines += [b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"]
    wire = interim + b"\r\n".join([*lines, b"", body])
    return Answer(wire, draw(st.sampled_from(["keep"] * 6 + ["close", "reset"])))


_answers = st.one_of(
    _answer(), _answer(), _answer(), _answer(),
    st.binary(max_size=80).map(lambda text: Answer(text, "close")),
    st.sampled_from([Answer(b"", "close"), Answer(b"", "reset"), Answer(b"SSH-2.0-x\r\n", "close")]),
)  # fmt: skip

cases = st.builds(
    Case,
    front=st.sampled_from(["transparent", "bridge", "replicated", "sse"]),
    requests=st.lists(_request(), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 5000), max_size=4),
    damage=st.one_of(
        st.just([]), st.just([]), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), st.binary(max_size=12)))
    ),
    leaves=st.integers(0, 7).map(lambda number: number == 0),
    answers=st.lists(_answers, min_size=1, max_size=3),
)
