"""What clients see and call of a server's tools."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.proxyrunner.middleware.asgi_calls import Server, call

from workloads.proxyrunner.middleware import MiddlewareContext, tool_calls, tool_lists
from workloads.proxyrunner.middleware.tool_policy import ToolPolicy

CONTEXT = MiddlewareContext("x", 10_000)
PARAMETERS = {
    "filter_tools": ["find", "read"],
    "tools_override": {"search": {"name": "find", "description": "Finds"}, "read": {"description": "Reads"}},
}
TOOLS = [
    {"name": "search", "description": "s", "inputSchema": {}},
    {"name": "read"},
    {"name": "delete"},
    {"name": "find"},
]
SHOWN = [{"name": "find", "description": "Finds", "inputSchema": {}}, {"name": "read", "description": "Reads"}]


def listing(tools=TOOLS):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "n"}}).encode()


def request(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def lists(server):
    return tool_lists.make(PARAMETERS, CONTEXT)(server)


def calls(server):
    return tool_calls.make(PARAMETERS, CONTEXT)(server)


def test_a_list_has_the_tools_that_clients_have_by_their_names():
    policy = ToolPolicy.of(PARAMETERS)
    assert policy.listed([*TOOLS, "no tool", {"name": 3}, {}]) == SHOWN


def test_what_is_listed_can_be_called_and_nothing_else():
    policy = ToolPolicy.of(PARAMETERS)
    assert {name: policy.called(name) for name in ("find", "read", "search", "delete", "")} == {
        "find": "search", "read": "read", "search": None, "delete": None, "": None,
    }  # fmt: skip


def test_two_tools_can_change_names():
    policy = ToolPolicy.of({"tools_override": {"a": {"name": "b"}, "b": {"name": "a"}}})
    assert [tool["name"] for tool in policy.listed([{"name": "a"}, {"name": "b"}])] == ["b", "a"]
    assert (policy.called("a"), policy.called("b")) == ("b", "a")


@given(
    st.lists(st.sampled_from("abcd"), max_size=3),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("abcdxy"), max_size=3),
)
def test_a_tool_is_callable_by_a_name_exactly_if_it_is_listed_by_it(shown, names):
    if len(set(names.values())) < len(names):
        return
    overrides = {own: {"name": name} for own, name in names.items()}
    policy = ToolPolicy.of({"filter_tools": shown, "tools_override": overrides})
    listed = [tool["name"] for tool in policy.listed([{"name": own} for own in "abcd"])]
    assert len(set(listed)) == len(listed)
    assert {name for name in "abcdxy" if policy.called(name) in tuple("abcd")} == set(listed)


@pytest.mark.parametrize("parts", [[listing()], [listing()[:20], b"", listing()[20:]]])
def test_an_answer_in_json_is_rewritten_with_its_length(parts):
    server = Server(*parts)
    answer = call(lists(server), request("tools/list"), headers=[(b"accept-encoding", b"gzip")])
    assert json.loads(answer.body) == {"jsonrpc": "2.0", "id": 1, "result": {"tools": SHOWN, "nextCursor": "n"}}
    assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
    assert b"accept-encoding" not in dict(server.scope["headers"])
    assert server.body == request("tools/list")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_on_a_stream_is_rewritten_and_all_else_stays(method):
    progress = b'id: 7\r\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\r\n\r\n'
    stream = b": hello\n\n" + progress + b"event: message\ndata: " + listing() + b"\n\n"
    answer = call(
        lists(Server(stream[:50], stream[50:], kind=b"text/event-stream; charset=utf-8")),
        request("tools/list") if method == "POST" else b"",
        method=method,
    )
    head, _, data = answer.body.rpartition(b"data: ")
    assert head == b": hello\n\n" + progress + b"event: message\n"
    assert json.loads(data)["result"]["tools"] == SHOWN
    assert b"content-length" not in answer.headers


@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
def test_a_list_with_numbers_that_are_no_json_is_rewritten_for_some_clients_read_it(kind):
    body = b'{"id": 1, "result": {"tools": [{"name": "delete"}, {"name": "read", "inputSchema": {"default": NaN}}]}}'
    event = kind == b"text/event-stream"
    answer = call(lists(Server(b"data: %s\n\n" % body if event else body, kind=kind)), request("tools/list"))
    (tool,) = json.loads(answer.body.removeprefix(b"data: "))["result"]["tools"]
    assert (tool["name"], tool["description"]) == ("read", "Reads")
    assert tool["inputSchema"]["default"] != tool["inputSchema"]["default"]  # that is what NaN is


def test_what_is_no_list_of_tools_is_not_touched():
    body = b'{ "jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": "\\"tools\\""}]} }'
    answer = call(lists(Server(body)), request("tools/call", name="read"))
    assert answer.body == body


@pytest.mark.parametrize(
    "server",
    [
        Server(b"x", headers=[(b"content-encoding", b"gzip")]),
        Server(b"x", kind=b"text/event-stream", headers=[(b"content-encoding", b"br")]),
        Server(*[b" " * 2**20] * 9),
    ],
)
def test_a_list_that_cannot_be_read_is_not_shown(server):
    answer = call(lists(server), request("tools/list"))
    assert answer.status == 502
    assert json.loads(answer.body)["id"] == 1


def test_an_event_that_is_too_long_ends_the_stream_without_it():
    answer = call(
        lists(Server(b"data: a\n\n", b"data: ", *[b"x" * 2**20] * 9, kind=b"text/event-stream")), method="GET"
    )
    assert answer.body == b"data: a\n\n"


def test_a_call_goes_to_the_tool_by_the_servers_name_for_it():
    server = Server()
    headers = [(b"mcp-name", b"find"), (b"x-other", b"find")]
    answer = call(calls(server), request("tools/call", name="find", arguments={"q": 1}), headers=headers)
    assert answer.status == 200
    assert json.loads(server.body) == json.loads(request("tools/call", name="search", arguments={"q": 1}))
    sent = dict(server.scope["headers"])
    assert sent[b"content-length"] == str(len(server.body)).encode()
    assert (sent[b"mcp-name"], sent[b"x-other"]) == (b"search", b"find")


@pytest.mark.parametrize("name", ["search", "delete", "nope", "", 3, None])
def test_a_call_of_what_clients_do_not_have_is_refused(name):
    server = Server()
    answer = call(calls(server), request("tools/call", name=name))
    assert server.body is None
    error = json.loads(answer.body)
    assert (error["id"], error["error"]["code"]) == (1, -32602)
    assert error["error"]["message"] == f"Unknown tool: {name}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"method": "ping", "method": "tools/call"}',
        b'{"Method": "tools/call", "params": {"name": "delete"}}',
        b'{"method": "tools/call", "params": {"name": "read", "Name": "delete"}}',
        b'{"method": "tools/call", "params": {"name": "read", "name": "delete"}}',
        b'{"method": "tools/call", "Params": {"name": "delete"}, "params": {"name": "read"}}',
        '{"method": "tools/call", "params": {"name": "delete"}}'.encode("utf-16"),
        b"\xef\xbb\xbf" + request("tools/call", name="delete"),
        b'{"method": "tools/call", "params": {"name": "find", "arguments": {"a": NaN}}}',
        b'{"method": "tools/call", "params": {"name": "find", "arguments": {"a": 1e999}}}',
        b"[" * 9_000,
        b"{",
        b"7",
        b"",
    ],
)
@pytest.mark.parametrize("middleware", [calls, lists])
def test_a_message_that_a_server_might_read_otherwise_is_refused(middleware, body):
    server = Server()
    assert call(middleware(server), body).status == 400
    assert server.body is None


def test_a_call_is_refused_whatever_the_case_of_its_method():
    server = Server()
    answer = call(calls(server), request("tools/call", name="delete"), method="post")
    assert (server.body, json.loads(answer.body)["error"]["code"]) == (None, -32602)
    answer = call(lists(Server(listing())), request("tools/list"), method="Post")
    assert json.loads(answer.body)["result"]["tools"] == SHOWN


HIDDEN = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/+AGM-all", "params": {"name": "delete"}}'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"content-type", b"application/json; charset=utf-7"),
        (b"content-type", b'application/json;CHARSET = "UTF-7"'),
        (b"content-type", b"application/json; charset=utf-8; charset=utf-7"),
        (b"content-type", b"application/json; charset*=utf-8''utf-7"),
        (b"content-encoding", b"deflate"),
        (b"content-encoding", b"identity, GZIP"),
    ],
)
@pytest.mark.parametrize("middleware", [calls, lists])
def test_a_message_that_its_headers_make_another_one_is_refused(middleware, name, value):
    assert json.loads(HIDDEN.decode("utf-7"))["method"] == "tools/call"
    server = Server()
    assert call(middleware(server), HIDDEN, headers=[(name, value)]).status == 400
    assert server.body is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"content-type", b"application/json"),
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-type", b'application/json;Charset="UTF8" ; x=y'),
        (b"content-encoding", b"identity"),
    ],
)
@pytest.mark.parametrize("middleware", [calls, lists])
def test_a_message_whose_headers_say_what_it_is_passes(middleware, name, value):
    server = Server(b"ok")
    assert call(middleware(server), request("ping"), headers=[(name, value)]).body == b"ok"


@pytest.mark.parametrize("middleware", [calls, lists])
def test_other_messages_pass_as_they_are(middleware):
    body = b'{ "jsonrpc": "2.0", "id": 1.50, "method": "resources/read", "params": {"uri": "a", "NAME1": 1} }'
    server = Server(b"ok")
    assert call(middleware(server), body).body == b"ok"
    assert server.body == body
