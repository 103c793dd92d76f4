"""Several proxy runners in front of the same replicas, with their sessions in one Redis: to clients one server."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support import redis_server
from tests.support.aio import run
from tests.support.control import scrape, values
from tests.support.issuer import running_issuer
from tests.support.raw_http import raw_client, raw_server, request
from tests.support.replicas import running_replicas
from tests.support.runners import Recorder
from tests.support.shared_runners import clients, runner, runners

from workloads.proxyrunner import ControlSocket, ReplicaAddress

pytestmark = pytest.mark.needs("redis")

INIT = request("initialize", 0, protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"})
PREFIX = "thv:proxy:session:"


class Routed:
    """A server of the test itself, as a replica."""

    def __init__(self, port):
        self.address = ReplicaAddress("127.0.0.1", port)


@pytest.fixture
def replicas(request):
    with running_replicas(getattr(request, "param", 3)) as replicas:
        yield replicas


async def begin(client, *headers):
    answer = await client.post(INIT, *headers)
    assert answer.status == 200, answer
    return ("mcp-session-id", answer.get("mcp-session-id"))


async def call(client, *headers, **params):
    """What a call says of the replica that answers, and of how many calls of the session there were."""
    answer = await client.post(request("tools/call", 7, **params), *headers)
    assert answer.status == 200, answer
    return answer.json["result"]["pid"], answer.json["result"]["count"]


def test_any_runner_serves_any_session_at_the_replica_that_began_it(redis, replicas):
    async def body():
        async with clients(redis, replicas) as (one, other):
            sessions = [await begin(client) for client in (one, other) * 6]
            pids = [(await call(one, session))[0] for session in sessions]
            assert set(pids) == {replica.pid for replica in replicas}
            for number in (2, 3):
                assert [await call(other, session) for session in sessions] == [(pid, number) for pid in pids]
            for session in sessions:
                assert (await other.ask("DELETE", "/mcp", session)).status == 200
                gone = await one.post(request("tools/call", "x"), session)
                assert (gone.status, gone.json["error"]["code"], gone.json["id"]) == (404, -32001, "x")

    run(body())


@pytest.mark.needs("metrics")
@pytest.mark.parametrize("replicas", [1], indirect=True)
def test_metrics_tell_what_the_memory_in_front_of_redis_saves_and_what_others_change(redis, replicas, tmp_path):
    async def body():
        async with runners(redis, replicas, 1, control=ControlSocket(tmp_path / "x.sock")) as (one,):

            async def figures():
                shown = values((await scrape(one.control_url)).body)
                prefix = "session_cache_"
                return {name.removeprefix(prefix): shown[name] for name in shown if name.startswith(prefix)}

            async def until(name, least):
                async with asyncio.timeout(30):
                    while (await figures())[name] < least:  # noqa: ASYNC110  # metrics are asked for, and tell nothing
                        await asyncio.sleep(0.01)

            async with raw_client(one.port) as client:
                name, session = await begin(client)
                before = await figures()
                for _ in range(5):
                    await call(client, (name, session))
                after = await figures()
                assert after["entries"] == 1
                assert after["hits_total"] == before["hits_total"] + 5
                assert after["misses_total"] == before["misses_total"]
                with redis.client() as store:
                    store.persist(PREFIX + session)  # as a replica changes it
                    await until("invalidations_total", after["invalidations_total"] + 1)
                    await until("entries", 1)  # it was in use, and is read again
                    [tracker] = [each for each in store.client_list() if "t" in each["flags"]]
                    store.client_kill_filter(_id=tracker["id"])
                    await until("flushes_total", after["flushes_total"] + 1)
                missed = (await figures())["misses_total"]
                assert (await call(client, (name, session)))[1] == 6
                await until("misses_total", missed + 1)

    run(body())


@pytest.mark.parametrize("replicas", [1], indirect=True)
def test_what_is_kept_of_a_session_is_what_toolhive_keeps_and_nothing_secret(redis, replicas):
    async def body():
        async with clients(redis, replicas, 1) as (client,):
            secret = {**INIT, "params": {**INIT["params"], "_meta": {"token": "canary"}}}
            answer = await client.post(secret, ("authorization", "Bearer canary"))
            name = answer.get("mcp-session-id")
            with redis.client() as store:
                kept = json.loads(store.get(PREFIX + name))
                assert 7100 < store.ttl(PREFIX + name) <= 7200
            assert (kept["id"], kept["type"]) == (name, "mcp")
            assert kept["metadata"]["backend_url"] == replicas[0].address.url
            assert json.loads(kept["metadata"]["init_body"]) == INIT
            assert "canary" not in json.dumps(kept)

    run(body())


def test_a_session_of_a_lost_replica_is_begun_again_once_and_the_others_notice_nothing(redis, replicas):
    async def body():
        async with clients(redis, replicas) as (one, other):
            sessions = [await begin(one) for _ in range(9)]
            pids = {session: (await call(one, session))[0] for session in sessions}
            lost, *_ = replicas
            lost_pid = lost.pid
            lost.kill()
            outcomes = await asyncio.gather(
                *[once(client.port, session) for session in sessions for client in (one, other)]
            )
            for session, outcome in zip([session for session in sessions for _ in range(2)], outcomes, strict=True):
                assert (outcome == pids[session]) == (pids[session] != lost_pid)
            now = {session: (await call(other, session))[0] for session in sessions}
            assert now == {session: outcomes[2 * index] for index, session in enumerate(sessions)}
            assert outcomes[::2] == outcomes[1::2]

    async def once(port, session):
        async with raw_client(port) as client:
            return (await call(client, session))[0]

    run(body())


@pytest.mark.parametrize("replicas", [1], indirect=True)
def test_a_replica_that_is_started_again_at_its_address_begins_its_sessions_again(redis, replicas):
    async def body():
        (replica,) = replicas
        told = Recorder()
        async with clients(redis, [replica], 1, observer=told) as (client,):
            session = await begin(client)
            before = await call(client, session)
            replica.kill()
            refused = await client.post(request("tools/call"), session)
            assert (refused.status, refused.get("retry-after")) == (503, "1")
            assert (await client.ask("GET", "/health")).status == 503
            replica.start()
            await told.running(2)
            after = await call(client, session)
            assert (before[1], after) == (1, (replica.pid, 1))

    run(body())


def test_a_replica_that_forgot_a_session_is_asked_to_begin_it_again(redis):
    """TH-13.38: re-init never sends `notifications/initialized`, and the id of the replayed answer is not mapped
    back."""
    names = iter(("first", "second"))
    seen = []

    async def forgetful(exchange):
        message = exchange.request.json if exchange.request.body else {}
        seen.append((message.get("method"), exchange.request.get("mcp-session-id")))
        json_type = ("content-type", "application/json")
        if message.get("method") == "initialize":
            result = {"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2025-11-25"}}
            await exchange.answer(200, json.dumps(result).encode(), json_type, ("mcp-session-id", next(names)))
        elif message.get("method") == "tools/call" and exchange.request.get("mcp-session-id") == "first":
            await exchange.answer(404)
        else:
            own = exchange.request.get("mcp-session-id") or ""
            await exchange.answer(202 if "id" not in message else 200, b"{}", json_type, ("mcp-session-id", own))

    async def body():
        async with raw_server(forgetful) as server, clients(redis, [Routed(server.port)], 1) as (client,):
            session = await begin(client)
            assert session[1] == "first"
            answer = await client.post(request("tools/call"), session)
            # The client goes on to use the name it knows.
            assert (answer.status, answer.get("mcp-session-id")) == (200, "first")
            assert (await client.post(request("tools/call"), session)).status == 200
        assert seen == [
            ("initialize", None),
            ("tools/call", "first"),
            ("initialize", None),
            ("notifications/initialized", "second"),
            ("tools/call", "second"),
            ("tools/call", "second"),
        ]

    run(body())


@pytest.mark.parametrize("reply", [(400, b"{}"), (200, b"{}"), (200, b"no json"), (500, b"")])
def test_MCP_T24_a_session_that_cannot_be_begun_again_is_not_found_and_a_new_one_can_be_begun(redis, reply):
    """MCP-T24: replica gone: 404 to the client, then a clean new initialize."""
    first = True

    async def once(exchange):
        nonlocal first
        message = exchange.request.json
        kind = ("content-type", "application/json")
        if message.get("method") != "initialize":
            await exchange.answer(404)
        elif first or message["id"] == 9:
            first = False
            result = {"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2025-11-25"}}
            name = f"{reply}-{message['id']}".replace(" ", "")
            await exchange.answer(200, json.dumps(result).encode(), kind, ("mcp-session-id", name))
        else:
            await exchange.answer(reply[0], reply[1], kind)

    async def body():
        async with raw_server(once) as server, clients(redis, [Routed(server.port)], 1) as (client,):
            session = await begin(client)
            lost = await client.post(request("tools/call", 7), session)
            assert lost.status == 404
            again = await client.post({**INIT, "id": 9}, session)
            assert again.status == 200

    run(body())


@pytest.mark.parametrize("replicas", [2], indirect=True)
def test_replicas_come_and_go_while_the_runner_serves(redis, replicas):
    async def body():
        told = Recorder()
        async with runner(redis, replicas[:1], observer=told) as subject, raw_client(subject.port) as client:
            session = await begin(client)
            subject.route([replica.address for replica in replicas])
            await told.until(lambda self: self.statuses[-1][1] == "" and len(self.statuses) > 2)
            pids = {(await call(client, await begin(client)))[0] for _ in range(4)}
            assert pids == {replica.pid for replica in replicas}
            subject.route([replicas[1].address])
            assert (await call(client, session))[0] == replicas[1].pid
            assert {(await call(client, await begin(client)))[0] for _ in range(3)} == {replicas[1].pid}

    run(body())


@pytest.mark.parametrize("replicas", [2], indirect=True)
def test_a_store_that_is_away_is_503_and_the_sessions_are_there_when_it_is_back(replicas):
    """TH-13.36: a store failure looks like an unknown session (404), so clients re-init in a Redis outage."""

    async def body():
        with redis_server.running() as redis:
            async with clients(redis, replicas) as (one, other):
                session = await begin(one)
                redis.hang()
                try:
                    for message in (request("tools/call", 3), INIT):
                        answer = await other.post(message, *([session] if message is not INIT else []))
                        assert (answer.status, answer.get("retry-after")) == (503, "1")
                        assert answer.json["id"] == message["id"]
                finally:
                    redis.go_on()
                for _ in range(100):
                    answer = await other.post(request("tools/call"), session)
                    if answer.status != 503:
                        break
                    await asyncio.sleep(0.1)
                assert (answer.status, answer.json["result"]["count"]) == (200, 1)

    run(body())


@pytest.mark.parametrize("replicas", [1], indirect=True)
@pytest.mark.needs("auth")
def test_a_session_is_refused_to_anybody_else_at_every_runner(redis, replicas):
    """TH-13.40: sessions of a proxy runner are unbound to identity."""

    async def body():
        with running_issuer() as issuer:
            ana, bea = issuer.bearer("ana"), issuer.bearer("bea")
            renewed = issuer.bearer("ana", jti="2")
            async with clients(redis, replicas, oidc_config=issuer.oidc) as (one, other):
                session = await begin(one, ana)
                assert (await call(other, session, renewed))[1] == 1
                refused = await other.post(request("tools/call"), session, bea)
                assert (refused.status, refused.json["error"]["code"]) == (404, -32001)
                assert (await other.post(request("tools/call"), session)).status == 401
                assert (await call(one, session, ana))[1] == 2

    run(body())


@pytest.mark.parametrize("replicas", [1], indirect=True)
@pytest.mark.needs("auth")
@pytest.mark.parametrize("owner", [{"vmcp.token.hash": "00", "vmcp.token.salt": "00"}, {}])
def test_a_session_that_tells_its_owner_in_the_old_way_or_not_at_all_is_nobodys(redis, replicas, owner):
    async def body():
        with running_issuer() as issuer, redis.client() as store:
            ana = issuer.bearer("ana")
            async with clients(redis, replicas, oidc_config=issuer.oidc) as (one, other):
                session = await begin(one, ana)
                key = PREFIX + session[1]
                kept = json.loads(store.get(key))
                metadata = {name: text for name, text in kept["metadata"].items() if name != "vmcp.identity.binding"}
                assert metadata != kept["metadata"]
                store.set(key, json.dumps(kept | {"metadata": metadata | owner}), ex=60)
                refused = await other.post(request("tools/call"), session, ana)
                assert (refused.status, refused.json["error"]["code"]) == (404, -32001)
                # What can never be checked is deleted; what was never anybody's may be another proxy's.
                assert store.exists(key) == (not owner)

    run(body())
