"""The little of DNS that a resolver needs which only tells addresses (RFC 1035). Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.runtimes.container.gateway.policy import Address

__all__ = ("AAAA", "IN", "MAX_QUERY", "A", "Question", "answer", "no_such_name", "parse")

A, AAAA, IN = 1, 28, 1
MAX_QUERY = 512
"""Bytes that a query for one name fits in; more is not read."""

_HEADER = struct.Struct("!6H")
_RESPONSE, _OPCODE, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x7800, 0x0100, 0x0080
_NAME_ERROR = 3
_POINTER_TO_NAME = 0xC00C
_TTL = 30
_MOST_ADDRESSES = 16


class Question(NamedTuple):
    """What a query asks.

    Attributes:
        id: The number by which the answer is told from others.
        recursion: Whether the query asks for recursion, which the answer repeats.
        name: The name, as it was spelled.
        type: What is asked for: ``A``, ``AAAA`` or something else.
        section: The bytes of the question, which the answer repeats.
    """

    id: int
    recursion: bool
    name: str
    type: int
    section: bytes


def parse(packet: bytes) -> Question | None:
    """Read a query. None when it is not one that this resolver understands: such a packet is dropped.

    Args:
        packet: The query.
    """
    if not _HEADER.size <= len(packet) <= MAX_QUERY:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(packet)
    if flags & (_RESPONSE | _OPCODE) or questions != 1:
        return None
    labels: list[str] = []
    at = _HEADER.size
    try:
        while length := packet[at]:
            label = packet[at + 1 : at + 1 + length]
            if (
                length > 63 or len(label) < length or b"." in label
            ):  # more than 63 is a pointer, which a query has no use for
                return None
            labels.append(label.decode("ascii"))
            at += 1 + length
        kind, family = struct.unpack_from("!2H", packet, at + 1)
    except (IndexError, struct.error, UnicodeDecodeError):
        return None
    if family != IN or not labels:
        return None
    return Question(number, bool(flags & _RECURSION_DESIRED), ".".join(labels), kind, packet[_HEADER.size : at + 5])


def answer(question: Question, addresses: Iterable[Address]) -> bytes:
    """The answer that a name exists, with those of its addresses that were asked for.

    Args:
        question: What was asked.
        addresses: The addresses of the name.
    """
    version = {A: 4, AAAA: 6}.get(question.type)
    records = [_record(question.type, each) for each in addresses if each.version == version][:_MOST_ADDRESSES]
    return _head(question, 0, len(records)) + b"".join(records)


def no_such_name(question: Question) -> bytes:
    """The answer that there is no such name.

    Args:
        question: What was asked.
    """
    return _head(question, _NAME_ERROR, 0)


def _head(question: Question, code: int, answers: int) -> bytes:
    flags = _RESPONSE | _RECURSION_AVAILABLE | (_RECURSION_DESIRED if question.recursion else 0) | code
    return _HEADER.pack(question.id, flags, 1, answers, 0, 0) + question.section


def _record(kind: int, address: Address) -> bytes:
    packed = address.packed
    return struct.pack("!3HIH", _POINTER_TO_NAME, kind, IN, _TTL, len(packed)) + packed
