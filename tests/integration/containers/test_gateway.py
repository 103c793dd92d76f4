"""The gateway of an isolated server, both of its programs in this process, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct

import pytest
from tests.support.aio import run

from workloads.runtimes.container.gateway import dns
from workloads.runtimes.container.gateway.door import Door
from workloads.runtimes.container.gateway.egress import Egress
from workloads.runtimes.container.gateway.names import Resolver, default_gateway, look_up
from workloads.runtimes.container.gateway.policy import Policy
from workloads.runtimes.container.gateway.settings import DOOR, EGRESS, Settings, arguments, parse
from workloads.runtimes.container.gateway.streams import at_most
from workloads.runtimes.process.ports import free_port

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = ipaddress.ip_address("93.184.215.14")
POLICY = Policy(hosts=("allowed.example",))


class Everywhere(Resolver):
    """Takes every host for this machine, where the tests' servers are: no policy would let anybody come here."""

    async def addresses(self, host):
        return [LOOPBACK]


async def known(name):
    return {"allowed.example": [PUBLIC, LOOPBACK], "rebound.example": [LOOPBACK]}.get(name, [])


async def unused():
    return await asyncio.to_thread(free_port)


@contextlib.asynccontextmanager
async def gateway(folder, *, policy=POLICY, resolver=None, ports=(), names=()):
    """Both programs; gives the ports of the proxy and the resolver, for TCP and UDP."""
    settings = Settings(EGRESS, policy, ports, names)
    proxy, resolve = await unused(), await unused()
    async with contextlib.AsyncExitStack() as stack:
        await Egress(settings, resolver or Resolver(policy, known), folder).open(stack)
        door = settings._replace(role=DOOR, ports=())
        await Door(door, folder, proxy_port=proxy, dns_port=resolve).open(stack)
        yield proxy, resolve


@contextlib.asynccontextmanager
async def upstream(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
    """A server that answers what it gets first with ``answer``; gives its port, and what it got."""
    got = []

    async def serve(reader, writer):
        got.append(await reader.read(65536))
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], got


async def talk(port, *said):
    """What comes back, until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = b""
    for each in said:
        if answers == b"" and each is not said[0]:
            answers = await reader.readuntil(b"\r\n\r\n")
        writer.write(each)
    answers += await reader.read()
    writer.close()
    await writer.wait_closed()
    return answers


def test_a_tunnel_to_what_is_allowed_carries_bytes_in_both_directions(tmp_path):
    async def body():
        resolver = Everywhere(POLICY, known)
        async with upstream(b"pong") as (port, got), gateway(tmp_path, resolver=resolver) as (proxy, _):
            said = b"CONNECT allowed.example:%d HTTP/1.1\r\n\r\n" % port
            assert await talk(proxy, said, b"ping") == b"HTTP/1.1 200 Connection established\r\n\r\npong"
            assert got == [b"ping"]

    run(body())


def test_a_plain_request_to_what_is_allowed_is_answered(tmp_path):
    async def body():
        resolver = Everywhere(POLICY, known)
        async with upstream() as (port, got), gateway(tmp_path, resolver=resolver) as (proxy, _):
            answer = await talk(proxy, b"GET http://allowed.example:%d/a HTTP/1.1\r\nHost: x\r\n\r\n" % port)
            assert answer.endswith(b"\r\n\r\nok")
            assert got == [b"GET /a HTTP/1.1\r\nHost: allowed.example:%d\r\nConnection: close\r\n\r\n" % port]

    run(body())


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (b"CONNECT other.example:443 HTTP/1.1", 403, b"other.example:443 is not allowed by the permission profile"),
        (b"CONNECT rebound.example:443 HTTP/1.1", 403, b"rebound.example:443 has no address that may be reached"),
        (b"CONNECT nowhere.example:443 HTTP/1.1", 403, b"nowhere.example:443 has no address that may be reached"),
        (b"CONNECT 169.254.169.254:80 HTTP/1.1", 403, b"169.254.169.254:80 is not allowed by the permission profile"),
        (b"CONNECT host.docker.internal:1 HTTP/1.1", 403, b"is not allowed by the permission profile"),
        (b"GET http://other.example/ HTTP/1.1", 403, b"other.example:80 is not allowed by the permission profile"),
        (b"GET / HTTP/1.1", 400, b"a proxy takes CONNECT HOST:PORT and http:// URLs"),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_reason(tmp_path, said, status, reason):
    policy = Policy(hosts=("allowed.example", "rebound.example", "nowhere.example"))

    async def body():
        async with gateway(tmp_path, policy=policy) as (proxy, _):
            answer = await talk(proxy, said + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert reason in answer

    run(body())


def test_a_refusal_is_logged_once_for_each_target(tmp_path, capfd):
    async def body():
        async with gateway(tmp_path) as (proxy, _):
            for host in (b"a.example", b"b.example", b"a.example"):
                await talk(proxy, b"CONNECT %s:443 HTTP/1.1\r\n\r\n" % host)

    run(body())
    assert capfd.readouterr().err == "refused a.example:443\nrefused b.example:443\n"


def test_a_server_that_cannot_be_reached_is_told(tmp_path):
    async def body():
        async with gateway(tmp_path, resolver=Everywhere(POLICY, known)) as (proxy, _):
            answer = await talk(proxy, b"CONNECT allowed.example:%d HTTP/1.1\r\n\r\n" % await unused())
            assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")

    run(body())


def test_a_head_without_end_is_cut(tmp_path):
    async def body():
        async with gateway(tmp_path) as (proxy, _):
            with contextlib.suppress(ConnectionError):
                assert await talk(proxy, b"GET " + b"a" * 300_000) == b""

    run(body())


def question(name, kind=dns.A):
    labels = b"".join(bytes([len(part)]) + part for part in name.encode().split(b"."))
    return struct.pack("!6H", 9, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, dns.IN)


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.answer.set_result(data)


async def ask_udp(port, query):
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", port))
    transport.sendto(query)
    try:
        return await client.answer
    finally:
        transport.close()


async def ask_tcp(port, query):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack("!H", len(query)) + query)
    answer = await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0])
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("ask", [ask_udp, ask_tcp])
def test_only_allowed_names_have_addresses_and_only_those_that_may_be_reached(tmp_path, ask):
    async def body():
        async with gateway(tmp_path) as (_, port):
            for name, kind, code, answers in (
                ("allowed.example", dns.A, 0, [PUBLIC.packed]),
                ("ALLOWED.example", dns.A, 0, [PUBLIC.packed]),
                ("allowed.example", dns.AAAA, 0, []),
                ("allowed.example", 16, 0, []),
                ("stolen-data.other.example", dns.A, 3, []),
                ("other.example", 16, 3, []),
            ):
                answer = await ask(port, question(name, kind))
                _, flags, _, count, *_ = struct.unpack_from("!6H", answer)
                assert (flags & 15, count) == (code, len(answers)), name
                assert all(answer.endswith(packed) for packed in answers)

    run(body())


def test_a_name_that_is_not_allowed_is_never_looked_up(tmp_path):
    asked = []

    async def looked_up(name):
        asked.append(name)
        return [PUBLIC]

    async def body():
        async with gateway(tmp_path, resolver=Resolver(POLICY, looked_up)) as (proxy, port):
            await ask_udp(port, question("stolen-data.other.example"))
            await talk(proxy, b"CONNECT stolen-data.other.example:443 HTTP/1.1\r\n\r\n")
            await ask_udp(port, question("allowed.example"))

    run(body())
    assert asked == ["allowed.example"]


@contextlib.asynccontextmanager
async def behind_the_door(folder, port):
    """What the door does for a port, with a server of the test's behind it."""

    async def serve(reader, writer):
        writer.write(b"got " + await reader.read(65536))
        writer.close()

    async with await asyncio.start_unix_server(serve, folder / f"in-{port}.sock"):
        yield


def test_this_machine_comes_in_by_the_ports_of_the_server(tmp_path):
    port = free_port()

    async def body():
        async with gateway(tmp_path, ports=(port,)), behind_the_door(tmp_path, port):
            assert await talk(port, b"hello") == b"got hello"

    run(body())


@pytest.mark.parametrize(
    ("host", "welcome"),
    [("127.0.0.1:1", True), ("localhost", True), ("a.Allowed.example:80", True), ("evil.example", False)],
)
def test_names_by_which_a_server_may_be_reached_are_checked(tmp_path, host, welcome):
    port = free_port()

    async def body():
        async with (
            gateway(tmp_path, ports=(port,), names=(".allowed.example",)),
            behind_the_door(tmp_path, port),
        ):
            answer = await talk(port, b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
            if welcome:
                assert answer.startswith(b"got GET / HTTP/1.1\r\nHost: ")
                assert b"\r\nConnection: close\r\n" in answer
            else:
                assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")

    run(body())


def test_the_door_leads_to_the_server(tmp_path):
    async def body():
        async with upstream(b"pong") as (port, got), contextlib.AsyncExitStack() as stack:
            settings = Settings(DOOR, Policy(), (port,), ())
            await Door(settings, tmp_path, proxy_port=await unused(), dns_port=await unused()).open(stack)
            reader, writer = await asyncio.open_unix_connection(tmp_path / f"in-{port}.sock")
            writer.write(b"ping")
            assert await reader.read() == b"pong"
            assert got == [b"ping"]
            writer.close()
            await writer.wait_closed()

    run(body())


def test_a_server_that_does_not_listen_yet_is_a_closed_connection(tmp_path):
    async def body():
        port = await unused()
        async with contextlib.AsyncExitStack() as stack:
            settings = Settings(DOOR, Policy(), (port,), ())
            await Door(settings, tmp_path, proxy_port=await unused(), dns_port=await unused()).open(stack)
            reader, writer = await asyncio.open_unix_connection(tmp_path / f"in-{port}.sock")
            assert await reader.read() == b""
            writer.close()

    run(body())


def test_one_connection_too_many_is_closed(tmp_path):
    async def body():
        folder = tmp_path / "x.sock"
        served = asyncio.Event()

        async def serve(reader, writer):
            served.set()
            await reader.read()

        async with await asyncio.start_unix_server(at_most(1, serve), folder):
            _, first = await asyncio.open_unix_connection(folder)
            await served.wait()
            reader, second = await asyncio.open_unix_connection(folder)
            assert await reader.read() == b""
            for writer in (first, second):
                writer.close()
                await writer.wait_closed()

    run(body())


def test_the_system_looks_names_up():
    async def body():
        assert LOOPBACK in await look_up("localhost")
        assert await look_up("no-such-host.invalid") == []

    run(body())


def test_the_default_gateway_is_that_of_the_default_route():
    routes = ["Iface Destination Gateway Flags", "eth0 0000E90A 00000000 0001", "eth0 00000000 0100E90A 0003"]
    assert default_gateway(routes) == "10.233.0.1"
    assert default_gateway(routes[:2]) == ""


def test_settings_survive_the_way_to_the_program():
    settings = Settings(EGRESS, Policy(hosts=("a", ".b"), ports=(443,), refused=("192.0.2.1",)), (8080,), ("c",))
    assert parse(*arguments(settings)) == settings


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"policy": {"unknown": 1}, "ports": [], "names": []}'])
def test_settings_of_another_version_are_refused(text):
    with pytest.raises(ValueError, match=r"settings of another version|Expecting value"):
        parse(EGRESS, text)
    with pytest.raises(ValueError, match="expected egress or door"):
        parse("other", "{}")
