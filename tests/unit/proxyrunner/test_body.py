"""Reading request bodies."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run

from workloads.proxyrunner.asgi import ClientGoneError
from workloads.proxyrunner.body import BodyError, has_body, read_body, starts_batch


def receiver(*messages):
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def read(receive, headers=(), limit=10, **options):
    return run(read_body(list(headers), receive, limit, **options))


def test_a_body_in_parts_is_joined():
    assert read(receiver(part(b"ab", True), part(b"", True), part(b"cd"))) == b"abcd"


def test_a_body_as_long_as_the_limit_is_taken():
    assert read(receiver(part(b"12345", True), part(b"67890"))) == b"1234567890"


def test_MCP_T22_a_declared_length_beyond_the_limit_is_refused_before_reading():
    """MCP-T22: body beyond the limit, chunked and with length: 413."""
    with pytest.raises(BodyError) as caught:
        read(receiver(), [(b"content-length", b"11")])
    assert caught.value.reply.status == 413


def test_MCP_T22_a_chunked_body_beyond_the_limit_is_refused_as_soon_as_it_is():
    """MCP-T22: body beyond the limit, chunked and with length: 413."""
    with pytest.raises(BodyError) as caught:
        read(receiver(part(b"12345", True), part(b"678901", True)), [(b"transfer-encoding", b"chunked")])
    assert caught.value.reply.status == 413


def test_a_client_that_leaves_is_nobody_to_answer():
    with pytest.raises(ClientGoneError):
        read(receiver(part(b"1", True), {"type": "http.disconnect"}))


def test_a_body_that_does_not_come_is_not_waited_for_for_ever():
    with pytest.raises(BodyError) as caught:
        read(receiver(part(b"1", True)), max_wait=0.01)
    assert caught.value.reply.status == 408
    assert (b"connection", b"close") in caught.value.reply.headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([], False), ([(b"content-length", b"0")], False), ([(b"content-length", b"3")], True),
     ([(b"transfer-encoding", b"chunked")], True), ([(b"content-type", b"x")], False)],
)  # fmt: skip
def test_only_a_length_or_an_encoding_announces_a_body(headers, expected):
    assert has_body(headers) is expected


@pytest.mark.parametrize(
    ("body", "batch"),
    [(b"[]", True), (b" \r\n\t[1]", True), (b"\xef\xbb\xbf [", True), (b" " * 5000 + b"[", True), (b"{}", False),
     (b"", False), (b'"["', False), (b"  {[", False)],
)  # fmt: skip
def test_MCP_T23_a_batch_is_told_by_its_first_byte_that_is_not_blank(body, batch):
    """MCP-T23: batch in either era, also under a wrong content type: 400, backend untouched."""
    assert starts_batch(body) is batch
