"""Which replica of a pool a request goes to, and where sessions go whose replica is lost."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.support.aio import run

from workloads.errors import SessionStoreUnavailableError
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.affinity import Affinity
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.pool import Pool
from workloads.proxyrunner.shared_trails import SharedTrails
from workloads.proxyrunner.sought import SessionTakenError, UnknownSessionError
from workloads.session import Identity, LocalStorage, SessionManager

INIT = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "_meta": {"token": "canary"}},
}
ANA = Identity(issuer="i", subject="ana")
BEA = Identity(issuer="i", subject="bea")


@dataclass
class Request:
    session: str | None = None
    begins: bool = False
    method: str = "POST"
    identity: Identity | None = None
    target: bytes = b"/mcp"
    body: bytes = b""
    named: str | None = "unchanged"
    tied_to: str | None = None

    async def trail(self):
        return self.tied_to

    def trail_here(self):
        return self.tied_to

    def name_session(self, name):
        self.named = name

    def headers(self):
        return []


def beginning(**fields):
    return Request(begins=True, body=json.dumps(INIT).encode(), **fields)


@dataclass
class Opener:
    """Begins sessions as it is told to, and remembers what it was asked."""

    begun: list[tuple[int, str]] = field(default_factory=list)
    ended: list[tuple[int, str]] = field(default_factory=list)
    failure: Exception | None = None
    gate: asyncio.Event | asyncio.Barrier | None = None

    async def begin(self, address, sought, init_body):
        self.begun.append((address.port, init_body))
        name = f"new-{len(self.begun)}"
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return name

    async def end(self, address, sought, name):
        self.ended.append((address.port, name))


def addresses(count=3):
    return [ReplicaAddress("127.0.0.1", 1000 + index) for index in range(count)]


@asynccontextmanager
async def pools(count=1, replicas=3, *, opener=None, bind_identity=False):
    """Pools, as those of several proxies that share one store."""
    storage = LocalStorage(ttl=60)
    made = []
    for _ in range(count):
        manager = SessionManager(storage, bind_identity=bind_identity)
        pool = Pool(Affinity(manager, opener or Opener(), ttl=60), SharedTrails(manager))
        for address in addresses(replicas):
            pool.add(address)
        made.append(pool)
    try:
        yield made
    finally:
        for pool in made:
            await pool._affinity.close()


async def visited(pool, request=None, **options):
    """The port of the replica that a request went to, whose exchange is over."""
    visit = await pool.visit(request or Request(), **options)
    visit.end()
    return visit.address.port


async def begun(pool, session, status=200, **fields):
    """The port of the replica that began a session."""
    visit = await pool.visit(beginning(**fields))
    await visit.answered(status, session)
    visit.end()
    return visit.address.port


def test_requests_of_no_session_go_to_the_replica_with_the_fewest_exchanges():
    async def body():
        async with pools() as (pool,):
            first, second = await pool.visit(Request()), await pool.visit(Request())
            assert (first.address.port, second.address.port) == (1000, 1001)
            assert [await visited(pool) for _ in range(3)] == [1002] * 3
            first.end()
            first.end()
            assert {await visited(pool) for _ in range(4)} == {1000, 1002}

    run(body())


def test_a_session_stays_with_the_replica_that_began_it_however_busy_at_every_proxy():
    async def body():
        async with pools(2) as (pool, other):
            port = await begun(pool, "s")
            requests = [Request("s", method=method) for method in ("POST", "GET", "DELETE") * 3]
            visits = [await one.visit(request) for request in requests for one in (pool, other)]
            assert {visit.address.port for visit in visits} == {port}
            assert {request.named for request in requests} == {"s"}
            assert await visited(pool) != port
            for visit in visits:
                visit.end()

    run(body())


@pytest.mark.parametrize("status", [400, 405, 415, 500, 301])
def test_t9_a_session_is_learnt_from_an_answer_that_says_yes_only(status):
    """MCP-T9: 400/405/415 carrying `mcp-session-id`: not learnt as a session."""

    async def body():
        async with pools() as (pool,):
            await begun(pool, "s", status)
            with pytest.raises(UnknownSessionError):
                await pool.visit(Request("s"))

    run(body())


def test_t25_a_session_is_learnt_from_the_answer_to_initialize_only():
    """MCP-T25: two replicas, modern: 100 calls spread; no pin left behind."""

    async def body():
        async with pools() as (pool,):
            visit = await pool.visit(Request())
            await visit.answered(200, "s")
            visit.end()
            with pytest.raises(UnknownSessionError):
                await pool.visit(Request("s"))

    run(body())


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_session_that_was_deleted_is_forgotten(status):
    async def body():
        async with pools() as (pool,):
            await begun(pool, "s")
            visit = await pool.visit(Request("s", method="DELETE"))
            await visit.answered(status, None)
            visit.end()
            with pytest.raises(UnknownSessionError):
                await pool.visit(Request("s"))

    run(body())


@pytest.mark.parametrize(("method", "status"), [("DELETE", 405), ("DELETE", 500), ("POST", 404), ("GET", 405)])
def test_a_session_that_was_not_deleted_is_kept(method, status):
    async def body():
        async with pools() as (pool,):
            port = await begun(pool, "s")
            visit = await pool.visit(Request("s", method=method))
            await visit.answered(status, None)
            visit.end()
            assert await visited(pool, Request("s")) == port

    run(body())


def test_the_sessions_of_a_replica_that_left_are_begun_again_and_those_of_others_stay():
    async def body():
        opener = Opener()
        async with pools(2, opener=opener) as (pool, other):
            holders = {session: await begun(pool, session) for session in "abc"}
            for one in (pool, other):
                one.remove(next(place.address for place in one._places if place.address.port == 1001))
            assert len(pool) == 2
            lost = next(session for session, port in holders.items() if port == 1001)
            request = Request(lost)
            port = await visited(pool, request)
            assert port != 1001
            assert request.named == "new-1"
            assert [await visited(one, Request(lost)) for one in (pool, other)] == [port] * 2
            assert {await visited(other, Request(session)) for session in set("abc") - {lost}} == {1000, 1002}
            (again,) = opener.begun
            # What a client put beside what a replica needs to know is not kept.
            assert json.loads(again[1]) == {**INIT, "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}

    run(body())


def test_a_lost_session_is_begun_again_once_however_many_requests_ask_for_it():
    async def body():
        opener = Opener(gate=asyncio.Event())
        async with pools(opener=opener, replicas=2) as (pool,):
            await begun(pool, "s")
            pool.remove(pool._places[0].address)
            asking = [asyncio.create_task(visited(pool, Request("s"))) for _ in range(20)]
            for _ in range(5):
                await asyncio.sleep(0)
            asking[0].cancel()
            opener.gate.set()
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError)
            assert outcomes[1:] == [1001] * 19
            assert len(opener.begun) == 1

    run(body())


def test_of_two_proxies_that_begin_a_session_again_one_wins_and_the_other_ends_its_own():
    async def body():
        opener = Opener(gate=asyncio.Barrier(2))
        async with pools(2, opener=opener) as both:
            await begun(both[0], "s")
            for one in both:
                one.remove(next(place.address for place in one._places if place.address.port == 1000))
            requests = [Request("s"), Request("s")]
            asking = [asyncio.create_task(visited(one, request)) for one, request in zip(both, requests, strict=True)]
            ports = await asyncio.gather(*asking)
            assert ports[0] == ports[1]
            assert requests[0].named == requests[1].named
            ((_, ended),) = opener.ended
            assert {ended, requests[0].named} == {"new-1", "new-2"}

    run(body())


def test_a_session_that_no_replica_begins_again_is_unknown():
    async def body():
        async with pools(opener=Opener(failure=UnknownSessionError())) as (pool,):
            await begun(pool, "s")
            pool.remove(pool._places[0].address)
            with pytest.raises(UnknownSessionError):
                await pool.visit(Request("s"))

    run(body())


def test_deleting_a_session_whose_replica_is_lost_begins_nothing():
    async def body():
        opener = Opener()
        async with pools(opener=opener) as (pool,):
            await begun(pool, "s")
            pool.remove(pool._places[0].address)
            for method in ("DELETE", "POST"):
                with pytest.raises(UnknownSessionError):
                    await pool.visit(Request("s", method=method))
            assert not opener.begun

    run(body())


def test_a_replica_that_forgot_a_session_begins_it_again():
    async def body():
        async with pools(replicas=1) as (pool,):
            await begun(pool, "s")
            request = Request("s")
            visit = await pool.visit(request)
            again = await pool.forgotten(request, visit)
            visit.end()
            assert again.address.port == 1000
            assert request.named == "new-1"
            again.end()
            assert pool._places[0].busy == 0

    run(body())


@pytest.mark.parametrize("request_", [Request("s", method="DELETE"), beginning(), Request()])
def test_a_404_for_anything_else_is_the_servers_word(request_):
    async def body():
        async with pools() as (pool,):
            await begun(pool, "s")
            visit = await pool.visit(request_)
            assert await pool.forgotten(request_, visit) is None
            visit.end()

    run(body())


def test_a_session_goes_to_its_replica_though_that_is_not_known_to_be_ready():
    async def body():
        opener = Opener()
        async with pools(2, opener=opener) as (pool, other):
            await begun(pool, "s")
            other.pause(other._places[0].address)
            assert len(other) == 2
            assert await visited(other, Request("s")) == 1000
            assert {await visited(other) for _ in range(4)} == {1001, 1002}
            failed = await other.visit(Request("s"))
            failed.end()
            assert await visited(other, Request("s"), after=failed) != 1000
            assert len(opener.begun) == 1

    run(body())


def test_initialize_with_a_stale_session_goes_anywhere_without_it():
    async def body():
        async with pools() as (pool,):
            request = beginning(session="stale")
            await visited(pool, request)
            assert request.named is None

    run(body())


def test_a_name_that_is_taken_is_not_taken_away():
    async def body():
        async with pools() as (pool,):
            port = await begun(pool, "s")
            with pytest.raises(SessionTakenError):
                await begun(pool, "s")
            assert await visited(pool, Request("s")) == port

    run(body())


def test_a_session_belongs_to_who_began_it_at_every_proxy():
    async def body():
        async with pools(2, bind_identity=True) as (pool, other):
            port = await begun(pool, "s", identity=ANA)
            assert await visited(other, Request("s", identity=ANA)) == port
            for identity in (BEA, None):
                with pytest.raises(UnknownSessionError):
                    await other.visit(Request("s", identity=identity))

    run(body())


def test_a_store_that_is_away_is_no_unknown_session_and_nothing_is_left_at_the_replica():
    class Away(LocalStorage):
        async def load(self, session_id):
            raise SessionStoreUnavailableError("redis", "away")

        async def create(self, session):
            raise SessionStoreUnavailableError("redis", "away")

    async def body():
        opener = Opener()
        affinity = Affinity(SessionManager(Away(ttl=60)), opener, ttl=60)
        pool = Pool(affinity)
        pool.add(addresses()[0])
        with pytest.raises(SessionStoreUnavailableError):
            await pool.visit(Request("s"))
        with pytest.raises(SessionStoreUnavailableError):
            await begun(pool, "s")
        assert opener.ended == [(1000, "s")]
        await affinity.close()

    run(body())


def test_a_session_does_not_expire_while_an_exchange_of_it_is_under_way():
    async def body():
        storage = LocalStorage(ttl=0.2)
        affinity = Affinity(SessionManager(storage, ttl=0.2), Opener(), ttl=0.2)
        pool = Pool(affinity)
        pool.add(addresses()[0])
        await begun(pool, "s")
        await begun(pool, "unused")
        stream = await pool.visit(Request("s", method="GET"))
        await asyncio.sleep(0.5)
        assert await visited(pool, Request("s")) == 1000
        with pytest.raises(UnknownSessionError):
            await pool.visit(Request("unused"))
        stream.end()
        await affinity.close()

    run(body())


def test_a_server_without_sessions_is_sent_whatever_session_the_client_names():
    async def body():
        pool = Pool()
        for address in addresses():
            pool.add(address)
        request = Request("s")
        assert {await visited(pool, request) for _ in range(3)} == {1000, 1001, 1002}
        assert request.named == "unchanged"

    run(body())


def test_a_replica_that_could_not_be_reached_is_avoided_if_there_is_another():
    async def body():
        pool = Pool()
        for address in addresses(2):
            pool.add(address)
        doubted = []
        pool.doubted = doubted.append
        failed = await pool.visit(Request())
        failed.end()
        assert [await visited(pool, after=failed) for _ in range(3)] == [1001] * 3
        assert doubted == [failed.address] * 3
        pool.remove(pool._places[1].address)
        assert await visited(pool, after=failed) == 1000
        pool.pause(failed.address)
        with pytest.raises(UnavailableError):
            await pool.visit(Request())

    run(body())


def test_MCP_T28_a_request_goes_where_its_task_or_state_came_from_and_elsewhere_when_that_is_gone():
    """MCP-T28: `tasks/get` pinned by `Mcp-Name`."""

    async def body():
        subject = Pool()
        addresses = [ReplicaAddress("127.0.0.1", 1000 + index) for index in range(3)]
        for address in addresses:
            subject.add(address)

        async def visited(tied_to=None):
            visit = await subject.visit(Request(tied_to=tied_to))
            visit.end()
            return visit

        await visited()
        minted = await visited()
        minted.note("task")
        assert minted.address.port == 1001
        assert [(await visited("task")).address.port for _ in range(5)] == [1001] * 5
        assert len({(await visited("unknown")).address.port for _ in range(6)}) == 3
        subject.pause(addresses[1])
        assert (await visited("task")).address.port != 1001
        subject.remove(addresses[1])
        assert (await visited("task")).address.port != 1001

    run(body())


def test_MCP_T26_a_state_that_one_proxy_saw_is_known_to_the_others_for_who_got_it():
    """MCP-T26: MRTR with per-process keys: retry pinned to the minting replica."""

    async def body():
        async with pools(2, bind_identity=True) as (one, other):
            minted = await one.visit(Request(identity=ANA))
            minted.note("state")
            minted.note("state")
            assert minted.untold == ["state", "state"]
            await minted.tell()
            assert minted.untold == []
            own = Request(tied_to="state", identity=ANA)
            assert {await visited(other, own) for _ in range(4)} == {minted.address.port}
            foreign = Request(tied_to="state", identity=BEA)
            assert len({await visited(other, foreign) for _ in range(3)}) == 3
            # No client can use it as a session.
            with pytest.raises(UnknownSessionError):
                await other.visit(Request("state", identity=ANA))

    run(body())


def test_a_state_that_the_store_takes_too_long_to_keep_is_known_to_its_own_proxy(monkeypatch, caplog):
    class Slow(LocalStorage):
        async def create(self, session):
            await asyncio.Event().wait()

    monkeypatch.setattr("workloads.proxyrunner.shared_trails._PATIENCE", 0.01)

    async def body():
        trails = SharedTrails(SessionManager(Slow(ttl=60)))
        pool = Pool(None, trails)
        for address in addresses():
            pool.add(address)
        minted = await pool.visit(Request())
        minted.note("state")
        await minted.tell()
        assert {await visited(pool, Request(tied_to="state")) for _ in range(4)} == {minted.address.port}
        assert "other proxies do not know" in caplog.text
        await trails.close()

    run(body())


def test_what_is_posted_for_a_stream_goes_where_the_stream_is_until_that_has_ended():
    async def body():
        async with pools(2) as (one, other):
            stream = await one.visit(Request(method="GET"))
            assert stream.remembers
            await stream.opened("/messages?session_id=s")
            assert {await visited(other, Request("/messages?session_id=s")) for _ in range(3)} == {stream.address.port}
            with pytest.raises(SessionTakenError):
                await (await other.visit(Request(method="GET"))).opened("/messages?session_id=s")
            stream.end()
            await stream.closed()
            with pytest.raises(UnknownSessionError):
                await other.visit(Request("/messages?session_id=s"))

    run(body())


def test_a_stream_is_not_begun_again_at_another_replica():
    async def body():
        opener = Opener()
        async with pools(opener=opener) as (pool,):
            stream = await pool.visit(Request(method="GET"))
            await stream.opened("/messages?session_id=s")
            pool.remove(stream.address)
            with pytest.raises(UnknownSessionError):
                await pool.visit(Request("/messages?session_id=s"))
            assert opener.begun == []
            stream.end()

    run(body())


def visited_now(pool, request):
    """The port of the replica that a request can go to at once; None when that has to be waited for."""
    visit = pool.visit_now(request)
    if visit is None:
        return None
    visit.end()
    return visit.address.port


def test_what_is_known_here_need_not_be_waited_for():
    async def body():
        async with pools() as (pool,):
            port = await begun(pool, "s")
            request = Request(session="s")
            assert visited_now(pool, request) == port
            assert request.named == "s"
            assert visited_now(pool, Request(session="unknown")) is None
            assert visited_now(pool, Request(session="s", identity=ANA)) == port
            assert {visited_now(pool, Request()) for _ in range(3)} == {1000, 1001, 1002}
            assert visited_now(pool, Request(tied_to="state")) is None
            for place in list(pool._places):
                if place.address.port == port:
                    pool.remove(place.address)
            assert visited_now(pool, request) is None

    run(body())


def test_without_a_replica_that_is_ready_there_is_nothing_to_visit_now():
    async def body():
        pool, (target, _) = Pool(), addresses(2)
        pool.expect(target)
        assert visited_now(pool, Request()) is None
        pool.add(target)
        assert visited_now(pool, Request(tied_to="state")) == 1000  # there is no other

    run(body())
