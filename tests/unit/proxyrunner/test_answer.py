"""An answer that is passed on as it comes."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.upstream.answer import Answer
from workloads.proxyrunner.upstream.errors import StreamCutError
from workloads.proxyrunner.upstream.known import AnswerHead


class Line:
    """What the connection is told, written down."""

    def __init__(self):
        self.done = []

    def hold(self):
        self.done.append("hold")

    def go_on(self):
        self.done.append("go on")

    def abort(self):
        self.done.append("abort")


class Client:
    """Where the body goes."""

    def __init__(self):
        self.on_room = None
        self.got = []
        self.room = True

    def pass_on(self, parts, *, last):
        self.got += [*(bytes(part) for part in parts), *(["end"] if last else [])]
        return self.room


def pouring(body):
    """Run a test body with an answer, its connection, a client and a function that begins to pour."""

    async def whole():
        line, client = Line(), Client()
        answer = Answer(line, AnswerHead(200, [], keep_alive=True))

        async def pour(watch=None):
            task = asyncio.ensure_future(answer.pour(client, watch))
            await asyncio.sleep(0)
            return task

        await body(answer, line, client, pour)

    run(whole())


def test_each_part_goes_on_at_once_and_nobody_is_woken_for_it():
    async def body(answer, line, client, pour):
        answer.feed([b"before"])
        seen = []
        task = await pour(seen.append)
        assert client.got == [b"before"]
        answer.feed([b"a", memoryview(b"b")])
        assert client.got == [b"before", b"a", b"b"]
        answer.feed([b"c"], last=True)
        assert client.got[3:] == [b"c", "end"]
        await task
        assert (seen, answer.poured, line.done) == ([b"before", b"a", b"b", b"c"], 9, [])
        assert client.on_room is None

    pouring(body)


def test_an_answer_that_is_all_there_goes_on_in_one():
    async def body(answer, _line, client, pour):
        answer.feed([b"a"])
        answer.feed([b"b"], last=True)
        await (await pour())
        assert client.got == [b"a", b"b", "end"]

    pouring(body)


def test_a_client_without_room_holds_up_the_server_until_it_has_some():
    async def body(answer, line, client, pour):
        task = await pour()
        client.room = False
        answer.feed([b"a"])
        answer.feed([b"b"])
        assert line.done == ["hold"]
        client.on_room()
        client.on_room()
        assert line.done == ["hold", "go on"]
        answer.feed([b"c"])
        answer.feed([b"d"], last=True)
        await task
        assert line.done == ["hold", "go on"] * 2  # the connection carries the next answer

    pouring(body)


def test_a_server_that_was_held_up_before_goes_on():
    async def body(answer, line, client, pour):
        answer.feed([b"x" * 2**17])
        assert line.done == ["hold"]
        task = await pour()
        assert line.done == ["hold", "go on"]
        assert len(client.got) == 1
        task.cancel()

    pouring(body)


@pytest.mark.parametrize("before", [True, False])
def test_an_answer_that_is_cut_is_told_as_such_behind_what_came(before):
    async def body(answer, _line, client, pour):
        answer.feed([b"a"])
        if before:
            answer.cut("broken")
        task = await pour()
        answer.cut("broken")
        with pytest.raises(StreamCutError, match="broken"):
            await task
        assert client.got == [b"a"]

    pouring(body)


def test_nothing_goes_on_once_it_is_given_up():
    async def body(answer, line, client, pour):
        task = await pour()
        task.cancel()
        await asyncio.wait({task})
        answer.feed([b"a"])
        answer.close()
        assert (client.got, client.on_room, line.done) == ([], None, ["abort"])

    pouring(body)


def test_what_came_with_the_head_holds_the_server_up_only_where_nobody_takes_it():
    async def body(answer, line, client, pour):
        answer.on_come = lambda: answer.attach(client, lambda _: None)
        answer.feed([b"x" * 2**17])
        answer.rest()
        assert (line.done, answer.poured) == ([], 2**17)

    async def left(answer, line, client, pour):
        answer.on_come = lambda: None
        answer.feed([b"x" * 2**17])
        assert line.done == []
        answer.rest()
        assert line.done == ["hold"]
        assert await answer.read() == b"x" * 2**17
        assert line.done == ["hold", "go on"]

    pouring(body)
    pouring(left)
