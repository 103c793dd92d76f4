"""Requests in flight on a shared pipe."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.aio import run
from tests.support.stdio_peer import connected

from workloads.proxyrunner.bridge.call import MAX_QUEUED
from workloads.proxyrunner.bridge.calls import Calls, TooManyCallsError
from workloads.proxyrunner.bridge.lines import MAX_LINE
from workloads.proxyrunner.jsonrpc import encode
from workloads.proxyrunner.link import ServerGoneError


async def take(call):
    """Everything that comes for a call, and its answer."""
    notifications = []
    while (message := await asyncio.wait_for(call.next(), 30)) is not None:
        notifications.append(message)
    return notifications, call.response


async def begin(calls, method="tools/call", params=None, request_id=1, **options):
    call = calls.open(method, params, request_id, **options)
    await calls.submit(call)
    return call


def test_MCP_T33_the_same_id_and_token_of_two_clients_are_two_on_the_pipe_and_their_own_again():
    """MCP-T33: 50 concurrent clients all using id 1, `"1"` and progressToken `"p"`: each gets its own result."""

    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            params = {"name": "x", "_meta": {"progressToken": "p", "traceparent": "t"}}
            one = await begin(calls, params=params, request_id=1)
            two = await begin(calls, params=params, request_id="1")
            first, second = await peer.hear(), await peer.hear()
            assert first["id"] != second["id"]
            assert first["params"]["_meta"] == {"progressToken": first["id"], "traceparent": "t"}
            assert params["_meta"]["progressToken"] == "p"
            for request, text in ((second, "two"), (first, "one")):
                token = request["params"]["_meta"]["progressToken"]
                peer.notify("notifications/progress", progressToken=token, progress=1, message=text)
                peer.answer(request, result={"text": text})
            for call, text, request_id in ((one, "one", 1), (two, "two", "1")):
                (progress,), response = await take(call)
                assert progress["params"] == {"progressToken": "p", "progress": 1, "message": text}
                assert response == {"jsonrpc": "2.0", "id": request_id, "result": {"text": text}}
            assert len(calls) == 0

    run(body())


def test_MCP_T34_a_cancelled_call_is_cancelled_by_its_name_on_the_pipe_and_others_live_on():
    """MCP-T34: cancel of one id-1 call leaves the others alive."""

    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            one = await begin(calls)
            two = await begin(calls)
            first, second = await peer.hear(), await peer.hear()
            calls.cancel(one, "enough")
            cancelled = await peer.hear()
            assert cancelled["method"] == "notifications/cancelled"
            assert cancelled["params"] == {"requestId": first["id"], "reason": "enough"}
            calls.cancel(one, "again")
            peer.answer(first, result={"late": True})
            peer.answer(second, result={})
            assert (await take(two))[1]["id"] == 1
            assert not one.done

    run(body())


def test_an_answered_call_is_not_cancelled():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            call = await begin(calls)
            peer.answer(await peer.hear(), result={})
            await take(call)
            calls.cancel(call, "late")
            await calls.notify("marker", None)
            assert (await peer.hear())["method"] == "marker"

    run(body())


def test_MCP_T36_two_subscriptions_with_one_id_get_their_own_events_with_their_own_id():
    """MCP-T36: two listens with the same client-side id on one pipe: closing one sends exactly one `cancelled`."""
    key = "io.modelcontextprotocol/subscriptionId"

    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            one = await begin(calls, "subscriptions/listen", {}, "listen", endless=True)
            two = await begin(calls, "subscriptions/listen", {}, "listen", endless=True)
            first, second = await peer.hear(), await peer.hear()
            peer.notify("notifications/resources/updated", uri="a", _meta={key: first["id"]})
            peer.notify("notifications/resources/updated", uri="b", _meta={key: second["id"]})
            peer.notify("notifications/resources/updated", uri="c", _meta={key: "nobody"})
            peer.answer(second, result={"_meta": {key: second["id"]}})
            assert (await one.next())["params"] == {"uri": "a", "_meta": {key: "listen"}}
            (event,), response = await take(two)
            assert event["params"] == {"uri": "b", "_meta": {key: "listen"}}
            assert response["result"] == {"_meta": {key: "listen"}}

    run(body())


def test_a_subscription_that_the_server_cancels_ends():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            call = await begin(calls, "subscriptions/listen", {}, 1, endless=True)
            peer.notify("notifications/cancelled", requestId=(await peer.hear())["id"])
            with pytest.raises(ServerGoneError):
                await call.next()

    run(body())


def test_MCP_T44_logs_reach_nobody_and_what_belongs_to_no_request_reaches_everybody():
    """MCP-T44: logs on a shared pipe are not delivered to the wrong client (dropped)."""

    async def body():
        heard = []
        calls = Calls(heard.append)
        async with connected(calls) as peer:
            call = await begin(calls)
            peer.notify("notifications/message", level="info", data="whose?")
            peer.notify("notifications/tools/list_changed")
            peer.notify("notifications/progress", progressToken="unknown", progress=1)
            peer.answer(await peer.hear(), result={})
            assert (await take(call))[0] == []
            assert [message["method"] for message in heard] == ["notifications/tools/list_changed"]

    run(body())


def test_what_the_server_asks_is_declined_except_whether_anyone_is_there():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            peer.say({"jsonrpc": "2.0", "id": 5, "method": "sampling/createMessage", "params": {}})
            declined = await peer.hear()
            assert (declined["id"], declined["error"]["code"]) == (5, -32601)
            peer.say({"jsonrpc": "2.0", "id": "p", "method": "ping"})
            assert await peer.hear() == {"jsonrpc": "2.0", "id": "p", "result": {}}

    run(body())


@pytest.mark.parametrize(
    "line",
    [b"not json", b"", b"[]", b"null", b'{"jsonrpc":"2.0"}', b"\xff\xfe", b'{"jsonrpc":"2.0","id":"w1"}',
     b'{"jsonrpc":"2.0","id":"unknown","result":{}}', b'{"jsonrpc":"2.0","id":null,"error":{}}',
     b'{"jsonrpc":"2.0","id":[1],"result":{}}', b"[" * 200_000,
     b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{}}}'],
)  # fmt: skip
def test_garbage_of_the_server_is_dropped(line):
    async def body():
        heard = []
        calls = Calls(heard.append)
        async with connected(calls) as peer:
            call = await begin(calls)
            peer.say(line) if len(line) < 60_000 else await asyncio.to_thread(peer.say, line)
            peer.answer(await peer.hear(), result={})
            assert (await take(call))[1]["result"] == {}
            assert heard == []

    run(body())


def test_MCP_T45_a_server_that_ends_fails_every_waiter_and_takes_no_new_request():
    """MCP-T45: child dies mid-call: every waiter gets an error, listens end without result, legacy sessions 404."""

    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            one, two = await begin(calls), await begin(calls)
            peer.hang_up()
            await asyncio.wait_for(calls.pipe.ended.wait(), 30)
            calls.fail("exited with code 3")
            for call in (one, two):
                with pytest.raises(ServerGoneError, match="exited with code 3"):
                    await call.next()
            with pytest.raises(ServerGoneError, match="exited with code 3"):
                calls.open("x", None, 1)

    run(body())


def test_what_came_before_the_end_is_still_told():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            call = await begin(calls, params={"_meta": {"progressToken": 1}})
            request = await peer.hear()
            peer.notify("notifications/progress", progressToken=request["id"], progress=1)
            peer.hang_up()
            await asyncio.wait_for(calls.pipe.ended.wait(), 30)
            calls.fail("ended")
            assert (await call.next())["params"]["progressToken"] == 1
            with pytest.raises(ServerGoneError):
                await call.next()

    run(body())


def test_only_so_many_requests_are_in_flight_and_one_whose_client_has_gone_makes_room():
    async def body():
        calls = Calls(lambda message: None, limit=2)
        async with connected(calls) as peer:
            one, _ = await begin(calls), await begin(calls)
            with pytest.raises(TooManyCallsError):
                calls.open("x", None, 1)
            gone = []
            one.on_end = lambda: gone.append(one)
            first, _ = await peer.hear(), await peer.hear()
            calls.open("x", None, 1)
            assert (await peer.hear())["params"]["requestId"] == first["id"]
            assert gone == [one]

    run(body())


def test_a_client_that_does_not_read_loses_old_progress_but_no_event_of_a_subscription():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            call = await begin(calls, params={"_meta": {"progressToken": 1}})
            listen = await begin(calls, "subscriptions/listen", {}, 2, endless=True)
            request, listening = await peer.hear(), await peer.hear()
            for number in range(MAX_QUEUED + 10):
                peer.notify("notifications/progress", progressToken=request["id"], progress=number)
                peer.notify("x", _meta={"io.modelcontextprotocol/subscriptionId": listening["id"]})
            peer.answer(request, result={})
            while not call.done:  # noqa: ASYNC110  # nothing announces that a call is done without taking from it
                await asyncio.sleep(0)
            progress, response = await take(call)
            assert [message["params"]["progress"] for message in progress] == list(range(10, MAX_QUEUED + 10))
            assert response["result"] == {}
            for _ in range(MAX_QUEUED):
                await listen.next()
            with pytest.raises(ServerGoneError, match="not read"):
                await listen.next()

    run(body())


def test_a_server_that_does_not_read_holds_up_who_writes_and_nothing_is_lost():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            big = {"text": "x" * 300_000}
            sending = [asyncio.create_task(begin(calls, params=big, request_id=number)) for number in range(5)]
            done, _ = await asyncio.wait(sending, timeout=0.1)
            assert len(done) < 5
            heard = [await peer.hear() for _ in range(5)]
            await asyncio.gather(*sending)
            assert [message["params"] for message in heard] == [big] * 5

    run(body())


def test_a_request_given_up_before_it_was_sent_is_never_sent():
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            big = {"text": "x" * 300_000}
            first = asyncio.create_task(begin(calls, params=big))
            await asyncio.sleep(0)
            second = asyncio.create_task(begin(calls, params={"text": "never"}))
            await asyncio.sleep(0.01)
            second.cancel()
            await asyncio.wait([second])
            assert (await peer.hear())["params"] == big
            await first
            assert len(calls) == 1
            await calls.notify("marker", None)
            assert (await peer.hear())["method"] == "marker"

    run(body())


@pytest.mark.parametrize(
    "answer",
    [
        {"jsonrpc": "2.0", "id": None, "result": {"text": "long"}},
        {"result": {"text": "long", "of": {"id": "w2"}}, "jsonrpc": "2.0", "id": None},
        {"id": None, "jsonrpc": "2.0", "error": {"code": 1, "message": "long", "data": {"id": "w2"}}},
    ],
)
def test_whoever_waits_for_an_answer_that_is_too_long_is_told_and_nobody_else(answer):
    async def body():
        calls = Calls(lambda message: None)
        async with connected(calls) as peer:
            one, two = await begin(calls, request_id="one"), await begin(calls, request_id="two")
            first, second = await peer.hear(), await peer.hear()
            line = json.dumps({**answer, "id": first["id"]}).encode().replace(b"long", b"x" * MAX_LINE)
            await asyncio.to_thread(peer.say, line)
            assert (await take(one))[1] == {
                "jsonrpc": "2.0",
                "id": "one",
                "error": {"code": -32603, "message": f"The answer of the server is longer than {MAX_LINE} bytes"},
            }
            peer.answer(second, result={})
            assert (await take(two))[1]["result"] == {}

    run(body())


def test_a_message_that_can_be_read_but_is_nested_too_deeply_to_be_written_takes_nothing_else_with_it():
    def write(message, frames=20):
        return write(message, frames - 1) if frames else encode(message)

    def nested(depth):
        return b'{"jsonrpc":"2.0","method":"x","params":{"a":%b%b}}\n' % (b"[" * depth, b"]" * depth)

    async def body():
        calls = Calls(write)
        async with connected(calls) as peer:
            call = await begin(calls)
            request = await peer.hear()
            await asyncio.to_thread(peer.say, b"".join(map(nested, range(500, 1000))))
            peer.answer(request, result={})
            assert (await take(call))[1]["result"] == {}

    run(body(), loop="uvloop")
