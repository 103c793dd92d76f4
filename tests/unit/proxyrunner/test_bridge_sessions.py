"""Sessions of clients of the old era."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from tests.support.aio import run
from tests.support.idle import ManualClock

from workloads.proxyrunner.bridge.call import Call
from workloads.proxyrunner.bridge.interest import Interest, concerns
from workloads.proxyrunner.bridge.sessions import Outbox, Sessions, TooManySessionsError


@pytest.fixture
def clock():
    return ManualClock(0.0)


@pytest.fixture
def ended():
    return []


@pytest.fixture
def sessions(clock, ended):
    subject = Sessions(ttl=60.0, clock=clock, limit=3)
    subject.on_end = ended.append
    return subject


def test_ids_are_random_uuids(sessions):
    one, two = sessions.create(), sessions.create()
    assert uuid.UUID(one.id).version == uuid.UUID(two.id).version == 4
    assert one.id != two.id
    assert sessions.get(one.id) is one


def test_a_session_expires_after_its_last_use_not_its_first(sessions, clock):
    session = sessions.create()
    for _ in range(5):
        clock.now += 50
        assert sessions.get(session.id) is session
    clock.now += 61
    assert sessions.get(session.id) is None


def test_a_session_in_use_does_not_expire_and_its_time_begins_when_the_use_ends(sessions, clock):
    session = sessions.create()
    with sessions.using(session):
        clock.now += 1000
        assert sessions.get(session.id) is session
        clock.now += 1000
    clock.now += 59
    assert sessions.get(session.id) is session


def test_expired_sessions_make_room_and_are_ended(sessions, clock, ended):
    old = [sessions.create() for _ in range(3)]
    with pytest.raises(TooManySessionsError):
        sessions.create()
    clock.now += 61
    new = sessions.create()
    assert ended == old
    assert sessions.all() == [new]


def test_a_session_ends_once(sessions, ended):
    session = sessions.create()
    sessions.end(session)
    sessions.end(session)
    assert ended == [session]
    assert sessions.get(session.id) is None


def test_ids_of_requests_are_told_apart_by_type(sessions):
    session = sessions.create()
    calls = [Call(request_id, f"w{number}", None, {}) for number, request_id in enumerate((7, "7", 7.0, 7))]
    for call in calls:
        session.add(call)
    assert session.find(7) == [calls[0], calls[3]]
    assert session.find("7") == [calls[1]]
    assert session.find(7.0) == [calls[2]]
    session.remove(calls[0])
    session.remove(calls[0])
    assert session.find(7) == [calls[3]]
    assert len(session.calls) == 3


@pytest.mark.parametrize(
    ("uri", "hears"),
    [("res://a", True), ("res://a/part", True), ("res://ab", False), ("res://b/x", True), ("res://", False)],
)
def test_a_subscriber_hears_of_a_resource_and_its_parts(uri, hears):
    assert concerns({"res://a", "res://b/"}, uri) is hears


def test_the_server_is_told_of_who_is_interested_until_it_has_agreed_and_of_the_last():
    interest = Interest()
    assert interest.add("res://a", "one")
    assert interest.add("res://a", "three")
    assert not interest.remove("res://a", "three")
    interest.agreed("res://a")
    assert not interest.add("res://a", "two")
    assert not interest.remove("res://b", "one")
    assert not interest.remove("res://a", "three")
    assert not interest.remove("res://a", "one")
    assert interest.remove("res://a", "two")
    interest.agreed("res://a")  # too late: nobody is interested any more
    assert interest.add("res://a", "one")


def test_only_a_session_that_never_had_another_beside_it_is_the_only_one(sessions):
    assert sessions.only is None
    first = sessions.create()
    assert sessions.only is first
    second = sessions.create()
    sessions.end(first)
    assert sessions.get(second.id) is second
    assert sessions.only is None


def test_a_session_knows_what_its_client_said_of_itself(sessions):
    told = {"protocolVersion": "2025-03-26", "capabilities": {"roots": {}}, "clientInfo": {"name": "x"}}
    session = sessions.create(told)
    assert (session.version, session.capabilities, session.client_info) == ("2025-03-26", {"roots": {}}, {"name": "x"})
    strange = sessions.create({"protocolVersion": "1999-01-01", "capabilities": 5})
    assert (strange.version, strange.capabilities, strange.client_info) == ("2025-11-25", {}, {})


def test_what_waits_for_a_client_is_bounded_and_equal_messages_wait_once():
    async def body():
        outbox = Outbox()
        for number in range(150):
            outbox.put(b"%d" % number)
            outbox.put(b"%d" % number)
        assert [await outbox.take() for _ in range(100)] == [b"%d" % number for number in range(50, 150)]
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put(b"last")
        assert await waiting == b"last"

    run(body())
