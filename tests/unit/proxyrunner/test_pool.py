"""Which replica of a pool a request goes to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest

from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.pool import Pool, UnknownSessionError


@dataclass
class Request:
    session: str | None = None
    begins: bool = False
    method: str = "POST"

    def forget_session(self):
        self.session = None


def pool(replicas=3, *, sessions=True):
    subject = Pool(sessions=sessions, ttl=60, clock=count().__next__)
    addresses = [ReplicaAddress("127.0.0.1", 1000 + index) for index in range(replicas)]
    for address in addresses:
        subject.add(address)
    return subject, addresses


def now(coroutine):
    """The outcome of a coroutine that has nothing to wait for."""
    with pytest.raises(StopIteration) as outcome:
        coroutine.send(None)
    return outcome.value.value


def visited(subject, request=None, **options):
    """The port of the replica that a request went to, whose exchange is over."""
    visit = now(subject.visit(request or Request(), **options))
    visit.end()
    return visit.address.port


def begun(subject, session, status=200):
    """The port of the replica that began a session."""
    visit = now(subject.visit(Request(begins=True)))
    now(visit.answered(status, session))
    visit.end()
    return visit.address.port


def test_requests_of_no_session_go_to_the_replica_with_the_fewest_exchanges():
    subject, _ = pool()
    first, second = now(subject.visit(Request())), now(subject.visit(Request()))
    assert (first.address.port, second.address.port) == (1000, 1001)
    assert [visited(subject) for _ in range(3)] == [1002] * 3
    first.end()
    first.end()
    assert {visited(subject) for _ in range(4)} == {1000, 1002}


def test_a_session_stays_with_the_replica_that_began_it_however_busy():
    subject, _ = pool()
    port = begun(subject, "s")
    visits = [now(subject.visit(Request("s", method=method))) for method in ("POST", "GET", "DELETE") * 3]
    assert {visit.address.port for visit in visits} == {port}
    assert visited(subject) != port


@pytest.mark.parametrize("status", [400, 405, 415, 500, 301])
def test_t9_a_session_is_learnt_from_an_answer_that_says_yes_only(status):
    subject, _ = pool()
    begun(subject, "s", status)
    with pytest.raises(UnknownSessionError):
        now(subject.visit(Request("s")))


def test_t25_a_session_is_learnt_from_the_answer_to_initialize_only():
    subject, _ = pool()
    visit = now(subject.visit(Request()))
    now(visit.answered(200, "s"))
    visit.end()
    with pytest.raises(UnknownSessionError):
        now(subject.visit(Request("s")))


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_session_that_was_deleted_is_forgotten(status):
    subject, _ = pool()
    begun(subject, "s")
    visit = now(subject.visit(Request("s", method="DELETE")))
    now(visit.answered(status, None))
    visit.end()
    with pytest.raises(UnknownSessionError):
        now(subject.visit(Request("s")))


@pytest.mark.parametrize(("method", "status"), [("DELETE", 405), ("DELETE", 500), ("POST", 404), ("GET", 405)])
def test_a_session_that_was_not_deleted_is_kept(method, status):
    subject, _ = pool()
    port = begun(subject, "s")
    visit = now(subject.visit(Request("s", method=method)))
    now(visit.answered(status, None))
    visit.end()
    assert visited(subject, Request("s")) == port


def test_t24_the_sessions_of_a_replica_that_left_are_unknown_and_those_of_others_stay():
    subject, addresses = pool()
    holders = {session: begun(subject, session) for session in "abc"}
    subject.remove(addresses[1])
    assert len(subject) == 2
    lost = next(session for session, port in holders.items() if port == 1001)
    with pytest.raises(UnknownSessionError):
        now(subject.visit(Request(lost)))
    assert {visited(subject, Request(session)) for session in set("abc") - {lost}} == {1000, 1002}


def test_a_replica_that_comes_back_at_its_old_address_does_not_get_its_old_sessions():
    subject, (address,) = pool(1)
    begun(subject, "s")
    subject.remove(address)
    subject.add(ReplicaAddress(address.host, address.port))
    with pytest.raises(UnknownSessionError):
        now(subject.visit(Request("s")))


def test_initialize_with_a_stale_session_goes_anywhere_without_it():
    subject, _ = pool()
    request = Request("stale", begins=True)
    visited(subject, request)
    assert request.session is None


def test_a_server_without_sessions_is_sent_whatever_session_the_client_names():
    subject, _ = pool(sessions=False)
    request = Request("s")
    assert {visited(subject, request) for _ in range(3)} == {1000, 1001, 1002}
    assert request.session == "s"


def test_a_replica_that_could_not_be_reached_is_avoided_if_there_is_another():
    subject, addresses = pool(2)
    failed = now(subject.visit(Request()))
    failed.end()
    assert [visited(subject, after=failed) for _ in range(3)] == [1001] * 3
    subject.remove(addresses[1])
    assert visited(subject, after=failed) == 1000
