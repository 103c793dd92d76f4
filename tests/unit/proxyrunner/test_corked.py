"""Joining the head of an answer with its body."""

from __future__ import annotations

import asyncio

from tests.support.aio import run

from workloads.proxyrunner.corked import Corked


class Transport:
    """What a transport does, written down."""

    def __init__(self):
        self.done = []

    def write(self, data):
        self.done.append(data)

    def writelines(self, parts):
        self.done.append(b"".join(parts))

    def close(self):
        self.done.append("close")

    def is_closing(self):
        return "close" in self.done


def corked(body):
    """Run a test body with a transport and what is between."""

    async def whole():
        transport = Transport()
        await body(Corked(transport), transport.done)

    run(whole())


def test_the_write_after_a_cork_goes_out_with_the_next_one():
    async def body(subject, done):
        subject.write(b"100 ")
        subject.cork()
        subject.write(b"head ")
        assert done == [b"100 "]
        subject.write(b"body")
        subject.write(b"more")
        await asyncio.sleep(0)
        assert done == [b"100 ", b"head body", b"more"]

    corked(body)


def test_what_is_held_back_waits_for_nothing_but_the_loop():
    async def body(subject, done):
        subject.cork()
        subject.write(b"head ")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert done == [b"head "]
        subject.write(b"body")
        assert done == [b"head ", b"body"]

    corked(body)


def test_what_is_held_back_goes_out_before_the_end():
    async def body(subject, done):
        subject.cork()
        subject.write(b"head ")
        subject.close()
        await asyncio.sleep(0)
        assert done == [b"head ", "close"]
        assert subject.is_closing()

    corked(body)
