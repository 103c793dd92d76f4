"""Telling JSON-RPC messages apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.proxyrunner.jsonrpc import Kind, begins_session, encode, kind_of, members, method_of, read


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"id": 1, "method": "x"}, Kind.REQUEST),
        ({"id": "a", "method": "x", "params": {}}, Kind.REQUEST),
        ({"method": "x"}, Kind.NOTIFICATION),
        ({"id": 1, "result": None}, Kind.RESPONSE),
        ({"id": None, "error": {}}, Kind.RESPONSE),
        ({"id": None, "method": "x"}, None),
        ({"id": True, "method": "x"}, None),
        ({"id": [1], "method": "x"}, None),
        ({"id": 1, "method": 5}, None),
        ({"id": 1, "method": "x", "params": [1]}, None),
        ({"id": 1}, None),
        ({"id": 1, "result": 1, "error": {}}, None),
        ({"result": 1}, None),
        ({}, None),
    ],
)
def test_messages_are_told_apart(message, kind):
    assert kind_of({"jsonrpc": "2.0", **message}) is kind


def test_only_version_two_counts():
    assert kind_of({"jsonrpc": "1.0", "id": 1, "method": "x"}) is None
    assert kind_of({"id": 1, "method": "x"}) is None


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "1e999", "[" * 100_000, b"\xff", "9" * 5000])
def test_what_could_not_be_written_again_is_no_json(text):
    with pytest.raises(ValueError, match=r"."):
        read(text)


def test_a_message_is_one_line_whatever_it_holds():
    message = {"text": "a\nb\u2028c\ud800 \x00 ä 𝄞", "n": [1.5, 10**30, -0.0]}
    line = encode(message)
    assert b"\n" not in line
    assert line.isascii()
    assert json.loads(line) == message


def test_members_of_anything_else_are_none():
    assert members({"a": 1}) == {"a": 1}
    assert members([1]) == members(None) == {}


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"initialize"}', True),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\u0069nitialize"}', True),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', False),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"initialize"}}', False),
        (b'["initialize"]', False),
        (b'{"method":"initialize"', False),
        (b"", False),
    ],
)
def test_only_the_request_initialize_begins_a_session(text, begins):
    assert begins_session(text) is begins


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}', "tools/call"),
        (b' { "id" : "a" , "method" : "ping" } ', "ping"),
        (b'{"params":{"method":"inner"},"method":"outer"}', "outer"),
        (b'{"method":"first","params":{},"method":"last"}', "last"),
        (b'{"method":"first","params":{},"\\u006dethod":"last"}', "last"),
        (b'{"id":1,"params":{"method":"inner"}}', ""),
        (b'{"method":"caf\\u00e9"}', "caf\u00e9"),
        ('{"method":"caf\u00e9"}'.encode(), "caf\u00e9"),
        ('{"method":"ping"}'.encode("utf-16"), "ping"),
        (b'{"id":null,"method":"ping"}', "ping"),
        (b'{"method":1}', ""),
        (b'["method"]', ""),
        (b'{"method"', ""),
        (b"", ""),
    ],
)
def test_the_method_of_a_text_is_told_as_if_it_were_read(text, method):
    assert method_of(text) == method


@given(st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params"]), st.text() | st.integers() | st.none()))
def test_the_method_of_a_message_is_that_of_the_value_read(message):
    found = message.get("method")
    assert method_of(json.dumps(message).encode()) == (found if isinstance(found, str) else "")
    assert method_of(json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")) == method_of(
        json.dumps(message).encode()
    )
