"""The resolver's side of DNS."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.runtimes.container.gateway import dns

FOUR, SIX = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1")


def query(name=b"\7example\3com\0", kind=dns.A, *, flags=0x0100, questions=1, family=dns.IN, extra=b""):
    return struct.pack("!6H", 7, flags, questions, 0, 0, 0) + name + struct.pack("!2H", kind, family) + extra


def test_a_question_is_read():
    question = dns.parse(query(extra=b"\0\0\x29\x10\0\0\0\0\0\0\0"))
    assert (question.id, question.recursion, question.name, question.type) == (7, True, "example.com", dns.A)


def test_an_answer_has_the_addresses_that_were_asked_for():
    question = dns.parse(query())
    answer = dns.answer(question, [SIX, FOUR])
    assert answer[:12] == struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    assert answer[12:] == question.section + struct.pack("!3HIH", 0xC00C, dns.A, dns.IN, 30, 4) + FOUR.packed
    assert dns.answer(dns.parse(query(kind=dns.AAAA)), [SIX, FOUR]).endswith(SIX.packed)


@pytest.mark.parametrize("kind", [5, 15, 16, 255], ids=["CNAME", "MX", "TXT", "ANY"])
def test_only_addresses_are_told(kind):
    answer = dns.answer(dns.parse(query(kind=kind)), [SIX, FOUR])
    assert struct.unpack_from("!6H", answer) == (7, 0x8180, 1, 0, 0, 0)


def test_a_name_that_is_not_allowed_does_not_exist():
    assert struct.unpack_from("!6H", dns.no_such_name(dns.parse(query(flags=0)))) == (7, 0x8083, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        query()[:11],
        query()[:-1],
        query(flags=0x8100),
        query(flags=0x2800),
        query(questions=0),
        query(questions=2),
        query(family=3),
        query(b"\0"),
        query(b"\xc0\x0c"),
        query(b"\7exa"),
        query(b"\3a.b\3com\0"),
        query(b"\3\xff\xff\xff\0"),
        query(extra=b"x" * 600),
    ],
)
def test_what_is_not_understood_is_dropped(packet):
    assert dns.parse(packet) is None


@given(st.binary(max_size=600))
def test_no_packet_does_harm(packet):
    question = dns.parse(packet)
    if question is not None:
        assert dns.parse(dns.no_such_name(question)) is None  # an answer is no question


@given(st.binary(max_size=64))
def test_no_question_does_harm(name):
    if (question := dns.parse(query(name))) is not None:
        assert dns.answer(question, [FOUR])[12:].startswith(question.section)
