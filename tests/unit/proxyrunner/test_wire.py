"""A request as bytes."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.upstream.wire import chunk, request_head


def head(method, headers=(), length: int | None = 0):
    start, *lines = request_head(method, b"/mcp?a", b"server:1", headers, length).split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert start == method.encode() + b" /mcp?a HTTP/1.1"
    return lines[:-2]


def test_headers_go_out_as_they_are_after_the_host():
    headers = [(b"x-b", b"\xff \t2"), (b"x-a", b"1"), (b"x-b", b"")]
    assert head("GET", headers) == [b"host: server:1", b"x-b: \xff \t2", b"x-a: 1", b"x-b: "]


@pytest.mark.parametrize(
    ("method", "headers", "length", "framing"),
    [
        ("GET", [], 0, []),
        ("DELETE", [], 0, []),
        ("POST", [], 0, [b"content-length: 0"]),
        ("POST", [], 7, [b"content-length: 7"]),
        ("GET", [], 7, [b"content-length: 7"]),
        ("POST", [(b"content-length", b"7")], 7, [b"content-length: 7"]),
        ("POST", [], None, [b"transfer-encoding: chunked"]),
    ],
)
def test_the_length_of_the_body_is_told_once(method, headers, length, framing):
    assert head(method, headers, length)[1:] == framing


def test_a_chunk_tells_its_size():
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
