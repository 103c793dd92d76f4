"""A response as bytes."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.response import Head, Response, whole

LENGTH = (b"content-length", b"4")


def begun(status, headers, **how):
    """A response that begins."""
    return Response(Head(status, headers, **how))


def test_a_response_of_known_length_goes_out_as_it_is():
    response = begun(200, [(b"x-a", b"1"), LENGTH])
    assert response.head.text == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 4\r\n\r\n"
    assert response.head.keep_alive
    assert response.part(b"ab", last=False) == (b"ab",)
    assert response.part(b"", last=False) == ()
    assert response.part(b"cd", last=True) == (b"cd",)


def test_a_response_of_unknown_length_goes_out_in_chunks():
    response = begun(299, [(b"transfer-encoding", b"gzip")])
    assert response.head.text == b"HTTP/1.1 299 \r\ntransfer-encoding: chunked\r\n\r\n"
    assert b"".join(response.part(b"ab" * 8, last=False)) == b"10\r\n" + b"ab" * 8 + b"\r\n"
    assert response.part(b"", last=False) == ()
    assert response.part(b"", last=True) == (b"0\r\n\r\n",)
    assert b"".join(begun(200, []).part(b"ab", last=True)) == b"2\r\nab\r\n0\r\n\r\n"


def test_a_response_of_unknown_length_ends_with_the_connection_where_chunks_are_not_known():
    response = begun(200, [], chunks=False)
    assert response.head.text == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    assert not response.head.keep_alive
    assert response.part(b"ab", last=True) == (b"ab",)


@pytest.mark.parametrize(("status", "bodiless"), [(102, False), (204, False), (304, False), (200, True)])
def test_a_response_without_a_body_has_none_whatever_is_sent(status, bodiless):
    response = begun(status, [], bodiless=bodiless)
    assert response.head.text.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in response.head.text
    assert response.head.keep_alive
    assert response.part(b"ab", last=True) == ()


@pytest.mark.parametrize("status", [102, 204])
@pytest.mark.parametrize("bodiless", [False, True])
@pytest.mark.parametrize("length", [b"0", b"4"])
def test_a_response_that_never_has_a_body_tells_no_length(status, bodiless, length):
    framing = [(b"Content-Length", length), (b"transfer-encoding", b"chunked")]
    response = begun(status, framing, bodiless=bodiless)
    assert response.head.text.count(b"\r\n") == 2, "no header is left"
    assert response.head.keep_alive
    assert response.part(b"", last=True) == ()


def test_what_has_not_changed_is_told_its_length():
    response = begun(304, [LENGTH, (b"transfer-encoding", b"chunked")])
    assert response.head.text == b"HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n"


def test_a_head_request_is_told_the_length_of_what_it_does_not_get():
    response = begun(200, [LENGTH], bodiless=True)
    assert b"content-length: 4" in response.head.text
    assert response.part(b"", last=True) == ()


@pytest.mark.parametrize("headers", [[(b"Connection", b"Close, x"), LENGTH], [LENGTH]])
def test_the_last_response_of_a_connection_says_so_once(headers):
    response = begun(200, headers, keep_alive=False)
    assert response.head.text.lower().count(b"connection: close") == 1
    assert not response.head.keep_alive


def test_who_answers_can_end_the_connection():
    assert not begun(200, [(b"connection", b"close"), LENGTH]).head.keep_alive


@pytest.mark.parametrize("last", [True, False])
def test_a_body_that_is_too_long_is_refused(last):
    with pytest.raises(ValueError, match="length"):
        begun(200, [LENGTH]).part(b"abcde", last=last)


def test_a_body_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="length"):
        begun(200, [LENGTH]).part(b"abc", last=True)


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_header_cannot_begin_another_one(value, place):
    item = (value, b"x") if place == 0 else (b"x", value)
    with pytest.raises(ValueError, match="header"):
        begun(200, [item])


def test_a_whole_response_for_people_is_the_last_one():
    assert whole(400, "No.") == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n"
        b"connection: close\r\n\r\nNo."
    )
