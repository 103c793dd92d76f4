"""Requests to the proxy of an isolated server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.runtimes.container.gateway.requests import Refusal, host_of, only_one, parse


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("example.com:443", "example.com", 443),
        ("EXAMPLE.com.:8443", "example.com", 8443),
        ("192.0.2.1:1", "192.0.2.1", 1),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
    ],
)
def test_a_tunnel_leads_to_host_and_port(target, host, port):
    assert parse(head(f"CONNECT {target} HTTP/1.1", f"Host: {target}")) == (host, port, None)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://example.com", "example.com", 80, "/"),
        ("http://example.com/a/b?c=d", "example.com", 80, "/a/b?c=d"),
        ("http://example.com?c=d", "example.com", 80, "/?c=d"),
        ("http://example.com?c=/d", "example.com", 80, "/?c=/d"),
        ("http://example.com/?c=http://e/?f", "example.com", 80, "/?c=http://e/?f"),
        ("HTTP://example.com:8080/a//b", "example.com", 8080, "/a//b"),
    ],
)
def test_a_request_is_rewritten_for_the_server(url, host, port, path):
    target = parse(head(f"POST {url} HTTP/1.1", "Host: another.example", "Content-Length: 2", "Accept: */*"))
    assert target[:2] == (host, port)
    line, *fields = target.head.decode().split("\r\n")
    assert line == f"POST {path} HTTP/1.1"
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    assert fields == [f"Host: {authority}", "Content-Length: 2", "Accept: */*", "Connection: close", "", ""]


def test_what_is_for_the_proxy_stays_there():
    sent = parse(
        head(
            "GET http://example.com/ HTTP/1.1",
            "Proxy-Authorization: Basic x",
            "proxy-connection: keep-alive",
            "Connection : keep-alive",
            "Keep-Alive: 5",
            "Upgrade: h2c",
            "TE: trailers",
            "X: y",
        )
    ).head
    assert sent == b"GET / HTTP/1.1\r\nHost: example.com\r\nX: y\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "", "GET", "GET / HTTP/1.1", "GET https://example.com/ HTTP/1.1", "GET ftp://example.com/ HTTP/1.1",
        "CONNECT example.com HTTP/1.1", "CONNECT example.com:0 HTTP/1.1", "CONNECT example.com:65536 HTTP/1.1",
        "CONNECT user@example.com:443 HTTP/1.1", "CONNECT a:b:443 HTTP/1.1", "CONNECT [::1:443 HTTP/1.1",
        "GET http://user:pw@example.com/ HTTP/1.1", "GET http:///path HTTP/1.1", "GET http://a b/ HTTP/1.1",
        "GET http://example.com/ HTTP/2", "get http://example.com/ HTTP/1.1", "GET http://exämple.com/ HTTP/1.1",
    ],
)  # fmt: skip
def test_what_is_no_request_to_a_proxy_is_refused(line):
    with pytest.raises(Refusal) as caught:
        parse(head(line))
    assert caught.value.status == 400
    assert caught.value.response().startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("field", ["A: b\nHost: c", "A: b\rc", "A: \0"])
def test_a_header_cannot_hide_another(field):
    with pytest.raises(Refusal, match="line end"):
        parse(head("GET http://example.com/ HTTP/1.1", field))


def test_a_server_is_named_by_one_host():
    assert host_of(head("GET / HTTP/1.1", "host: Example.com:80")) == "example.com"
    for fields in ([], ["Host: a", "Host: b"], ["Host: "], ["Host: ä"]):
        with pytest.raises(Refusal):
            host_of(head("GET / HTTP/1.1", *fields))


@pytest.mark.parametrize(
    "lines",
    [
        ("GET http://evil.example/ HTTP/1.1", "Host: a"),
        ("GET evil.example HTTP/1.1", "Host: a"),
        ("GET /evil HTTP/1.1\nHost: evil.example\n\nGET / HTTP/1.1", "Host: a"),
        ("GET / HTTP/1.1", "X: x\nHost: evil.example", "Host: a"),
        ("GET / HTTP/1.1", "X: x\rHost: evil.example", "Host: a"),
        ("nonsense", "Host: a"),
    ],
)
def test_what_a_server_could_take_for_a_request_to_another_host_is_refused(lines):
    with pytest.raises(Refusal):
        host_of(head(*lines))


def test_a_request_becomes_the_only_one_of_its_connection():
    sent = only_one(head("GET / HTTP/1.1", "Host: a", "Connection: keep-alive", "Keep-Alive: 5"))
    assert sent == b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@given(st.binary(max_size=200))
def test_no_head_does_harm(data):
    try:
        target = parse(data + b"\r\n\r\n")
    except Refusal:
        return
    assert target.port > 0
    assert target.head is None or target.head.count(b"\r\n\r\n") == 1
