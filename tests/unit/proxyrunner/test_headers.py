"""What a proxy changes in headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.headers import forwarded, read_request, response_headers


def kept(*headers, **options):
    return read_request([(name.encode(), value.encode()) for name, value in headers], **options).kept


def test_headers_go_on_unchanged_repeated_ones_too():
    headers = [("accept", "a, b"), ("x-one", "1"), ("x-two", ""), ("x-one", "2"), ("authorization", "Bearer t")]
    assert kept(*headers) == [(name.encode(), value.encode()) for name, value in headers]


@pytest.mark.parametrize(
    "name",
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "host",
     "proxy-authorization"],
)  # fmt: skip
def test_headers_of_the_connection_stay_here(name):
    assert kept((name, "x"), ("accept", "y")) == [(b"accept", b"y")]


def test_headers_named_by_connection_stay_here_too():
    assert kept(("connection", "close, X-Hop"), ("x-hop", "1"), ("x-other", "2")) == [(b"x-other", b"2")]


def test_what_an_earlier_proxy_said_is_dropped_unless_it_is_trusted():
    """TH-13.35: `X-Forwarded-Proto` is trusted even when proxy headers are not."""
    said = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("forwarded", "for=x"), ("x-real-ip", "x")]
    assert kept(*said) == []
    assert len(kept(*said, trust_forwarded=True)) == 4


def test_the_server_is_told_who_asked_and_how():
    told = forwarded([], client="10.0.0.1", host=b"proxy:80", scheme="http")
    assert dict(told) == {
        b"x-forwarded-for": b"10.0.0.1", b"x-forwarded-host": b"proxy:80", b"x-forwarded-proto": b"http",
    }  # fmt: skip


def test_a_trusted_proxy_is_not_contradicted_but_added_to():
    said = [(b"x-forwarded-host", b"public"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"1.2.3.4")]
    added = (b"x-forwarded-for", b"10.0.0.1")
    assert forwarded(said, client="10.0.0.1", host=b"proxy", scheme="http") == [*said, added]


def test_the_proxys_own_origin_stays_here_and_others_go_on():
    own = [("host", "localhost:1"), ("origin", "http://localhost:1")]
    assert kept(*own) == []
    assert kept(("host", "localhost:1"), ("origin", "http://app")) == [(b"origin", b"http://app")]


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"])
def test_MCP_T3_a_repeated_protocol_header_is_a_problem(name):
    """MCP-T3: repeated, or comma-joined, `MCP-Protocol-Version`, `Mcp-Name`, `Mcp-Session-Id`: 400, backend."""
    assert name in read_request([(name.encode(), b"a"), (name.encode(), b"a")]).problem


@pytest.mark.parametrize("value", [b"2025-11-25, 2026-07-28", b"2026-07-28,2025-11-25"])
def test_MCP_T3_a_joined_protocol_version_is_a_problem(value):
    """MCP-T3: repeated, or comma-joined, `MCP-Protocol-Version`, `Mcp-Name`, `Mcp-Session-Id`: 400, backend."""
    assert read_request([(b"mcp-protocol-version", value)]).problem


def test_MCP_T3_a_joined_session_id_is_a_problem_and_a_comma_in_a_name_is_none():
    """MCP-T3: repeated, or comma-joined, `MCP-Protocol-Version`, `Mcp-Name`, `Mcp-Session-Id`: 400, backend."""
    assert read_request([(b"mcp-session-id", b"a, b")]).problem
    assert not read_request([(b"mcp-name", b"geo:1,2")]).problem


@pytest.mark.parametrize(
    ("version", "modern"),
    [(None, False), ("2024-11-05", False), ("2025-11-25", False), ("2026-07-28", True), ("banana", True), ("", True)],
)
def test_MCP_T6_every_version_that_is_not_an_old_one_counts_as_modern(version, modern):
    """MCP-T6: `banana` version: modern path, 400, not a legacy session."""
    headers = [] if version is None else [(b"mcp-protocol-version", version.encode())]
    assert read_request(headers).modern is modern


def test_MCP_T2_a_modern_request_loses_what_belongs_to_sessions():
    """MCP-T2: modern request with a bogus `Mcp-Session-Id` and `Last-Event-ID`: served, both stripped upstream."""
    headers = [(b"mcp-protocol-version", b"2026-07-28"), (b"mcp-session-id", b"x"), (b"last-event-id", b"1")]
    assert read_request(headers).kept == headers[:1]
    legacy = [(b"mcp-protocol-version", b"2025-11-25"), *headers[1:]]
    assert read_request(legacy).kept == legacy


def answered(*headers, status=200, modern=False):
    return response_headers(headers, status=status, authority=b"127.0.0.1:9000", modern=modern)


def test_response_headers_go_on_repeated_ones_too():
    sent = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-accel-buffering", b"no"), (b"server", b"x")]
    assert answered(*sent) == sent


def test_response_headers_of_the_connection_stay_here():
    sent = [(b"connection", b"keep-alive, X-Hop"), (b"x-hop", b"1"), (b"transfer-encoding", b"chunked")]
    assert answered(*sent) == []


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_without_a_body_has_no_length(status):
    assert answered((b"content-length", b"5"), (b"etag", b"x"), status=status) == [(b"etag", b"x")]


@pytest.mark.parametrize(
    ("location", "seen"),
    [(b"http://127.0.0.1:9000/mcp/?a=b", b"/mcp/?a=b"), (b"/mcp/", b"/mcp/"), (b"http://other/x", b"http://other/x"),
     (b"http://127.0.0.1:90001/x", b"http://127.0.0.1:90001/x")],
)  # fmt: skip
def test_a_redirect_to_the_server_itself_loses_an_address_that_means_nothing_to_clients(location, seen):
    assert answered((b"location", location), status=307) == [(b"location", seen)]


def test_MCP_T1_a_modern_response_brings_no_session():
    """MCP-T1: modern call through the proxy: body bytes and `Mcp-*` reach the backend unchanged."""
    sent = [(b"mcp-session-id", b"x")]
    assert answered(*sent, modern=True) == []
    assert answered(*sent) == [(b"mcp-session-id", b"x")]


@given(st.lists(st.tuples(st.from_regex(rb"x-[a-z]{1,8}", fullmatch=True), st.binary(max_size=9)), max_size=8))
def test_headers_nobody_knows_are_never_touched(headers):
    assert read_request(headers).kept == headers
    assert answered(*headers) == headers
