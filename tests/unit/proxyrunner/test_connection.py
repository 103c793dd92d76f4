"""A client's connection, with a transport that writes down what it is told."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run, until

from workloads.proxyrunner.asgi import CONNECTION, follow
from workloads.proxyrunner.clients import Clients
from workloads.proxyrunner.connection import Connection

BRIEF = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Transport:
    """What a transport does, written down: each packet, and what else happens."""

    def __init__(self):
        self.done = []
        self.reading = True

    def write(self, data):
        self.done.append(bytes(data))

    def writelines(self, parts):
        self.done.append(b"".join(parts))

    def close(self):
        self.done.append("close")

    def abort(self):
        self.done.append("abort")

    def write_eof(self):
        self.done.append("eof")

    def is_closing(self):
        return "close" in self.done or "abort" in self.done

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def set_write_buffer_limits(self, high):
        pass

    def get_extra_info(self, name):
        return ("127.0.0.1", 80)


async def greet(scope, receive, send):
    """Answers with the path and the body, in one part."""
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        return
    text = scope["raw_path"] + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


def connected(body, application=greet, at_once=None):
    """Run a test body with a connection and its transport."""

    async def whole():
        clients = Clients(application, asyncio.get_running_loop(), lambda: None, at_once)
        connection, transport = Connection(clients), Transport()
        connection.connection_made(transport)
        try:
            await body(connection, transport)
        finally:
            connection.connection_lost(None)
            await clients.gone()

    run(whole())


async def turns(count=6):
    """Let the loop come round."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_small_answer_is_one_packet():
    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        assert transport.done == [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n/"]

    connected(body)


def test_a_head_whose_body_does_not_follow_at_once_goes_out_alone():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        await receive()

    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        assert transport.done == [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]

    connected(body, application)


@pytest.mark.parametrize("moment", [60, 0])
def test_a_head_that_tells_the_length_of_its_body_waits_a_moment_for_it(monkeypatch, moment):
    async def body(connection, transport):
        connection.data_received(GET)
        await turns() if moment else await until(lambda: transport.done)
        goes_on.set()
        await until(lambda: b"body" in b"".join(transport.done))
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        assert transport.done == ([head + b"body"] if moment else [head, b"body"])

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await goes_on.wait()
        await send({"type": "http.response.body", "body": b"body"})

    goes_on = asyncio.Event()
    monkeypatch.setattr("workloads.proxyrunner.turn._MOMENT", moment)
    connected(body, application)


def test_a_small_body_that_comes_behind_its_head_is_there_when_its_request_is_served(monkeypatch):
    served = []

    async def body(connection, transport):
        for part in (BRIEF, b"bo"):
            connection.data_received(part)
            assert served == []
        connection.data_received(b"dy" + GET)
        assert served == [b"body"]

    def at_once(turn):
        served.append(turn.body)
        return True

    monkeypatch.setattr("workloads.proxyrunner.clients._MOMENT", 60)
    connected(body, at_once=at_once)


def test_a_body_that_stays_away_is_not_waited_for_before_its_request_is_served(monkeypatch):
    async def body(connection, transport):
        connection.data_received(BRIEF)
        await turns()
        connection.data_received(b"body")
        await until(lambda: transport.done)
        assert transport.done == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n/body"]

    monkeypatch.setattr("workloads.proxyrunner.clients._MOMENT", 0)
    connected(body)


def test_a_known_head_waits_for_its_body_and_is_served_without_it_when_that_stays_away(monkeypatch):
    served = []

    async def body(connection, transport):
        connection.data_received(BRIEF + b"body")
        for part in (BRIEF, b"bo"):
            connection.data_received(part)
        assert served == [b"body"]
        connection.data_received(b"dy")
        assert served == [b"body"] * 2
        connection.data_received(BRIEF + b"bo")
        connection.waited()
        assert served == [b"body"] * 2
        connection.data_received(b"dy")
        await until(lambda: transport.done[2:])
        assert transport.done[2:] == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n/body"]

    def at_once(turn):
        served.append(turn.body)
        turn.answer(turn.head(200, [(b"content-length", b"0")]), b"")
        return True

    monkeypatch.setattr("workloads.proxyrunner.clients._MOMENT", 60)
    connected(body, at_once=at_once)


@pytest.mark.parametrize("leaves", ["leave", "end"])
def test_a_proxy_that_ends_serves_the_known_request_whose_body_is_still_on_its_way(monkeypatch, leaves):
    async def body(connection, transport):
        connection.data_received(BRIEF + b"body")
        await until(lambda: transport.done)
        connection.data_received(BRIEF)
        connection.expire(connection.idle_since)
        assert not transport.is_closing()
        getattr(connection, leaves)()
        connection.data_received(b"more")
        await until(transport.is_closing)
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n/more"
        assert transport.done[1:] == [answer, "close"]

    monkeypatch.setattr("workloads.proxyrunner.clients._MOMENT", 60)
    connected(body)


def test_a_request_whose_client_goes_while_its_body_is_waited_for_is_not_served(monkeypatch):
    served = []

    async def body(connection, transport):
        connection.data_received(BRIEF)
        connection.connection_lost(None)
        await turns()
        assert served == []

    async def application(scope, receive, send):
        served.append(scope)

    monkeypatch.setattr("workloads.proxyrunner.clients._MOMENT", 0)
    connected(body, application)


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"http://a", b"/"), (b"http://a?x=1", b"/"), (b"http://a/b", b"/b"), (b"*", b"*"), (b"//a", b"//a")],
)
def test_every_form_of_a_target_has_its_path(target, path):
    async def body(connection, transport):
        connection.data_received(GET.replace(b"GET /", b"OPTIONS " + target))
        await turns()
        assert transport.done[0].endswith(b"\r\n\r\n" + path)

    connected(body)


async def named(scope, receive, send):
    """Answers with every Host that the request has."""
    hosts = b",".join(value for name, value in scope["headers"] if name == b"host")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(hosts))]})
    await send({"type": "http.response.body", "body": hosts})


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"/mcp", b"a"),
        (b"http://b/mcp", b"b"),
        (b"HTTP://B:80/mcp?a://c/", b"B:80"),
        (b"http://[::1]:8?x", b"[::1]:8"),
        (b"http://b", b"b"),
        (b"http://user@b/", b"user@b"),
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_whole_url_overrides_the_host(target, host, version):
    async def body(connection, transport):
        connection.data_received(GET.replace(b"GET / HTTP/1.1", b"GET " + target + b" HTTP/" + version))
        await turns()
        assert transport.done[0].endswith(b"\r\n\r\n" + host)

    connected(body, named)


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: a\r\n"])
def test_a_whole_url_makes_no_request_whole_that_names_no_host_or_two(hosts):
    async def body(connection, transport):
        connection.data_received(GET.replace(b"GET /", b"GET http://b/").replace(b"Host: a\r\n", hosts))
        await turns()
        assert transport.done[0].endswith(b"\r\n\r\n" + (b"b,b" if hosts else b""))

    connected(body, named)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET /", 505),
        (b"GET / HTTP/1.2", 400),
        (b"GET / HTTP/3.0", 400),
        (b"PRI * HTTP/2.0", 400),
    ],
)
@pytest.mark.parametrize("behind", [b"", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Content-Length: 2\r\n"])
def test_another_version_of_the_protocol_is_refused_before_anybody_is_asked(line, status, behind):
    asked = []

    async def application(scope, receive, send):
        asked.append(scope["raw_path"])
        await greet(scope, receive, send)

    async def body(connection, transport):
        connection.data_received(GET + line + b"\r\nHost: a\r\n" + behind + b"\r\nSM\r\n\r\n" + GET)
        await turns(12)
        _, refusal, end = transport.done
        assert refusal.startswith(b"HTTP/1.1 %d " % status)
        assert (end, asked) == ("eof", [b"/"])

    connected(body, application)


# What another program in front of this one may understand otherwise

FRAMINGS = [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    b"Content-Length: 4\r\nContent-Length: 5",
    b"Content-Length: 4, 4",
    b"Content-Length: +4",
    b"Content-Length: 0x4",
    b"Content-Length: ",
    b"Content-Length : 4",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding:\r\n chunked",
    b"X: a\nTransfer-Encoding: chunked",
    b"X: a\rTransfer-Encoding: chunked",
]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("upgrade", [b"", b"Upgrade: h2c\r\nConnection: upgrade\r\n"], ids=["", "upgrade"])
def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_behind_it_is_answered(framing, upgrade):
    async def body(connection, transport):
        head = b"POST / HTTP/1.1\r\nHost: a\r\n" + upgrade + framing + b"\r\n\r\n"
        connection.data_received(head + b"0\r\n\r\n" + GET)
        await turns(12)
        refusal, end = transport.done
        assert refusal.startswith(b"HTTP/1.1 400 ")
        assert end == "eof"

    connected(body)


@pytest.mark.parametrize(
    "chunk",
    [
        b"2\nab\n",
        b"2;x\nab\r\n",
        b"2\r\nabXX",
        b"0x2\r\nab\r\n",
        b"-2\r\nab\r\n",
        b"2 \r\nab\r\n",
        b"f" * 17 + b"\r\nab\r\n",
    ],
)
def test_a_chunk_whose_end_is_in_doubt_is_refused(chunk):
    async def body(connection, transport):
        connection.data_received(POST + chunk + b"0\r\n\r\n" + GET)
        await turns(12)
        refusal, end = transport.done
        assert refusal.startswith(b"HTTP/1.1 400 ")
        assert end == "eof"

    connected(body)


def test_requests_that_are_sent_ahead_are_answered_in_their_order():
    async def body(connection, transport):
        connection.data_received(GET + POST + b"2\r\nab\r\n0\r\n\r\n" + LAST + GET)
        await turns(20)
        answers = [each if each == "close" else each.rpartition(b"\r\n")[2] for each in transport.done]
        assert answers == [b"/", b"/ab", b"/last", "close"]

    connected(body)


def test_a_client_that_sends_too_many_requests_ahead_is_held_up():
    async def silent(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        connection.data_received(GET * 7)
        assert transport.reading
        connection.data_received(GET)
        assert not transport.reading

    connected(body, silent)


def test_a_body_that_nobody_reads_holds_its_client_up_until_somebody_does():
    reads, got = asyncio.Event(), []

    async def application(scope, receive, send):
        await reads.wait()
        got.append(len((await receive())["body"]))
        await receive()

    async def body(connection, transport):
        connection.data_received(POST + b"100000\r\n" + b"x" * 2**20)
        assert not transport.reading
        reads.set()
        await turns()
        assert (got, transport.reading) == ([2**20], True)

    connected(body, application)


@pytest.mark.parametrize("damage", [b"what is this?\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * (2**20 + 1)])
def test_what_is_no_request_is_answered_after_those_before_it(damage):
    async def body(connection, transport):
        connection.data_received(GET + damage[:9])
        connection.data_received(damage[9:])
        await turns()
        first, second, end = transport.done
        assert first.endswith(b"/")
        assert second.startswith(b"HTTP/1.1 400 ")
        assert end == "eof"

    connected(body)


@pytest.mark.parametrize("begun", [False, True])
def test_a_body_that_is_none_ends_its_request(begun):
    async def application(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def body(connection, transport):
        connection.data_received(POST)
        await turns()
        connection.data_received(b"banana\r\n")
        assert transport.done[-1] == ("close" if begun else "eof")
        assert (b" 200 " if begun else b" 400 ") in transport.done[0]
        assert len(transport.done) == 2

    connected(body, application)


def test_the_client_is_asked_for_a_body_that_it_keeps_until_then():
    async def body(connection, transport):
        connection.data_received(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
        await turns()
        assert transport.done == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        connection.data_received(b"2\r\nab\r\n0\r\n\r\n")
        await turns()
        assert transport.done[1].endswith(b"/ab")

    connected(body)


def test_who_answers_hears_at_once_that_the_client_has_gone():
    heard = []

    async def application(scope, receive, send):
        scope[CONNECTION].on_lost = lambda: heard.append("gone")
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        connection.connection_lost(None)
        assert heard == ["gone"]
        await turns()
        assert transport.done == []

    connected(body, application)


def test_a_client_that_does_not_read_holds_up_who_answers():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def body(connection, transport):
        connection.pause_writing()
        connection.data_received(GET)
        await turns()
        assert transport.done == []
        connection.resume_writing()
        await turns()
        assert transport.done[0].endswith(b"1\r\na\r\n")
        assert transport.done[1:] == [b"1\r\nb\r\n0\r\n\r\n"]

    connected(body, application)


def test_the_parts_of_a_body_can_go_out_without_messages():
    rooms = []

    async def application(scope, receive, send):
        async def seen(message):
            await send(message)

        client = scope[CONNECTION]
        assert client.passage(seen) is None
        passage = client.passage(send)
        passage.on_room = lambda: rooms.append("room")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert passage.pass_on([b"a", memoryview(b"bc")], last=False)
        client._connection.pause_writing()
        assert not passage.pass_on([b"d" * 2**14, b"e"], last=False)
        client._connection.resume_writing()
        assert passage.pass_on([], last=True)
        assert client.done

    async def body(connection, transport):
        connection.data_received(GET + GET)
        await turns()
        assert transport.done[0].endswith(b"\r\n\r\n3\r\nabc\r\n")
        assert transport.done[1:3] == [b"4001\r\n" + b"d" * 2**14 + b"e\r\n", b"0\r\n\r\n"]
        assert transport.done[3].startswith(b"HTTP/1.1 200 OK\r\n")
        assert rooms == ["room"] * 2

    connected(body, application)


def test_nothing_is_written_to_a_client_that_has_gone():
    async def application(scope, receive, send):
        client = scope[CONNECTION]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        client._connection.connection_lost(None)
        assert client.passage(send).pass_on([b"a"], last=True)

    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        assert transport.done == []

    connected(body, application)


@pytest.mark.parametrize("begun", [False, True])
def test_an_application_that_fails_is_not_taken_for_an_answer(begun, caplog):
    async def application(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ArithmeticError

    async def body(connection, transport):
        connection.data_received(GET)
        await turns()
        assert len(transport.done) == 2
        assert (b" 200 " if begun else b" 500 ") in transport.done[0]
        assert not transport.done[0].endswith(b"0\r\n\r\n")
        assert transport.done[1] == "close"

    connected(body, application)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("busy", [False, True])
def test_a_connection_that_shall_end_does_so_when_no_answer_is_due(busy):
    async def body(connection, transport):
        if busy:
            connection.data_received(GET)
        connection.end()
        assert transport.done == ([] if busy else ["close"])
        await turns()
        assert transport.done[-1] == "close"
        assert not busy or b"connection: close" in transport.done[0]

    connected(body)


def test_a_connection_on_which_no_request_comes_expires_but_not_before():
    async def body(connection, transport):
        connection.data_received(GET[:10])
        connection.expire(connection.idle_since - 1)
        assert transport.done == []
        connection.expire(connection.idle_since)
        assert transport.done == ["close"]

    connected(body)


def test_a_connection_whose_request_is_being_answered_does_not_expire():
    async def body(connection, transport):
        connection.data_received(GET)
        connection.expire(connection.idle_since)
        assert transport.done == []

    connected(body)


# How a connection ends whose client still sends

REFUSED = b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def refuse(scope, receive, send):
    """Answers without a look at the body, and for the last time."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 409, "headers": headers})
    await send({"type": "http.response.body"})


async def decline(scope, receive, send):
    """Answers without a look at the body."""
    await send({"type": "http.response.start", "status": 409, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def test_a_client_that_still_sends_gets_its_last_answer_before_the_connection_is_closed():
    async def body(connection, transport):
        connection.data_received(POST + b"2\r\nab\r\n")
        await turns()
        assert transport.done == [REFUSED, "eof"]
        connection.end()
        connection.data_received(b"2\r\nab\r\n0\r\n\r\n" + GET)
        await turns()
        assert transport.done == [REFUSED, "eof"]

    connected(body, refuse)


def test_a_client_that_has_its_last_answer_and_stays_is_left(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.farewell._MAX_WAIT", 0.01)

    async def body(connection, transport):
        connection.data_received(POST)
        await until(transport.is_closing)
        assert transport.done == [REFUSED, "eof", "close"]

    connected(body, refuse)


def test_a_client_that_sends_what_was_refused_does_so_to_the_end_of_the_connection():
    async def body(connection, transport):
        connection.data_received(POST)
        await turns()
        connection.end()
        assert transport.done[1:] == ["eof"]

    connected(body, decline)


def test_a_client_that_does_not_stop_sending_is_not_heard_out(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.farewell._MAX_BYTES", 10)

    async def body(connection, transport):
        connection.data_received(POST)
        await turns()
        connection.data_received(b"x" * 10)
        assert transport.done == [REFUSED, "eof"]
        connection.data_received(b"x")
        assert transport.done == [REFUSED, "eof", "close"]

    connected(body, refuse)


def test_a_client_that_was_held_up_is_heard_again_when_it_has_its_last_answer():
    go = asyncio.Event()

    async def application(scope, receive, send):
        await go.wait()
        await refuse(scope, receive, send)

    async def body(connection, transport):
        connection.data_received(POST + b"fffff\r\n" + b"x" * 2**19)
        assert not transport.reading
        go.set()
        await turns()
        assert (transport.done, transport.reading) == ([REFUSED, "eof"], True)

    connected(body, application)


def test_a_client_that_has_gone_at_its_last_answer_needs_no_farewell():
    async def body(connection, transport):
        def gone():
            raise OSError(107, "Transport endpoint is not connected")

        transport.write_eof = gone
        connection.data_received(POST)
        await turns()
        assert transport.done == [REFUSED]

    connected(body, refuse)


@pytest.mark.parametrize("follows", [False, True])
def test_nothing_follows_the_answer_to_a_body_that_is_none(follows):
    async def application(scope, receive, send):
        if follows:
            follow(scope[CONNECTION])
        if (await receive())["type"] == "http.disconnect":
            await refuse(scope, receive, send)

    async def body(connection, transport):
        connection.data_received(POST)
        await turns()
        connection.data_received(b"banana\r\n")
        await turns()
        refusal, end = transport.done
        assert refusal.startswith(b"HTTP/1.1 400 ")
        assert end == "eof"

    connected(body, application)


def test_a_client_whose_body_is_none_is_not_asked_for_it():
    async def body(connection, transport):
        connection.data_received(POST.replace(b"Host", b"Expect: 100-continue\r\nHost") + b"banana\r\n")
        await turns()
        refusal, end = transport.done
        assert refusal.startswith(b"HTTP/1.1 400 ")
        assert end == "eof"

    connected(body)


def test_a_body_that_turns_out_to_be_none_after_the_answer_gets_no_second_one():
    async def body(connection, transport):
        connection.data_received(POST)
        await turns()
        connection.data_received(b"banana\r\n")
        assert transport.done == [REFUSED.replace(b"connection: close\r\n", b""), "eof"]

    connected(body, decline)


def test_a_client_that_was_not_asked_for_its_body_cannot_go_on_with_another_request():
    async def body(connection, transport):
        connection.data_received(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
        await turns()
        connection.data_received(GET)
        await turns()
        assert transport.done == [REFUSED, "eof"]

    connected(body, decline)


def test_a_client_that_sent_its_body_unasked_can():
    async def body(connection, transport):
        connection.data_received(POST.replace(b"Host", b"Expect: 100-continue\r\nHost") + b"0\r\n\r\n" + GET)
        await turns(12)
        assert len(transport.done) == 2

    connected(body, decline)


def test_a_client_that_does_not_know_interim_answers_gets_none():
    async def body(connection, transport):
        connection.data_received(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await turns()
        assert transport.done == []
        connection.data_received(b"ab")
        await turns()
        assert transport.done[0].endswith(b"/ab")

    connected(body)


@pytest.mark.parametrize("answered", [False, True])
def test_trailers_do_not_fill_the_memory(answered):
    async def body(connection, transport):
        connection.data_received(POST + b"1\r\nx\r\n0\r\nX: ")
        await turns()
        for _ in range(20):
            connection.data_received(b"x" * 2**16)
        assert transport.done[-1] == "eof"
        assert (b"trailers" in transport.done[0]) is not answered

    connected(body, decline if answered else greet)


def test_a_long_body_in_small_parts_is_no_trailer():
    async def body(connection, transport):
        connection.data_received(POST)
        for _ in range(5):
            connection.data_received(b"1\r\nx\r\n" * 2**14)
            await turns()
        connection.data_received(b"0\r\n\r\n")
        await turns()
        assert transport.done[0].endswith(b"x" * (5 * 2**14))

    connected(body)
