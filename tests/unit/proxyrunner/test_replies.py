"""Answers that the proxy gives itself."""

from __future__ import annotations

import json

import pytest

from workloads.proxyrunner.replies import method_not_allowed, refusal, unavailable


def body_of(request):
    reply = refusal(400, -32600, "no", request=request)
    assert dict(reply.headers)[b"content-length"] == str(len(reply.body)).encode()
    return json.loads(reply.body) if reply.body else None


@pytest.mark.parametrize("text", ["7", '"7"', "7.5", "-1", '"ä"', "12345678901234567890", '""', "0"])
def test_MCP_T10_an_error_echoes_the_id_with_its_type(text):
    """MCP-T10: proxy-made errors echo the request id; unreadable body gives `"id":null`; never no `id`."""
    body = body_of(b'{"jsonrpc":"2.0","id":%s,"method":"x"}' % text.encode())
    assert body["id"] == json.loads(text)
    assert type(body["id"]) is type(json.loads(text))
    assert body["error"] == {"code": -32600, "message": "no"}


@pytest.mark.parametrize(
    "request_",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', b"null", b'"text"',
     b'{"id":null}', b'{"id":true}', b'{"id":[1]}', b'{"id":1e999}', b'{"id":NaN}'],
)  # fmt: skip
def test_MCP_T10_an_unreadable_message_gets_a_null_id_never_none(request_):
    """MCP-T10: proxy-made errors echo the request id; unreadable body gives `"id":null`; never no `id`."""
    assert body_of(request_)["id"] is None


def test_a_message_without_an_id_gets_an_empty_body():
    reply = refusal(404, -32001, "no", request=b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert (reply.status, reply.body) == (404, b"")
    assert b"content-type" not in dict(reply.headers)


def test_what_has_no_message_gets_a_null_id():
    assert json.loads(method_not_allowed("POST").body)["id"] is None
    assert dict(method_not_allowed("POST", "GET").headers)[b"allow"] == b"POST, GET"


def test_unavailable_says_when_to_try_again():
    reply = unavailable("starting", request=b'{"jsonrpc":"2.0","id":1,"method":"x"}')
    assert reply.status == 503
    assert int(dict(reply.headers)[b"retry-after"]) >= 1
