"""The client side of the proxy, against servers that answer in every way HTTP knows, and in some it does not."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from tests.support.aio import run
from tests.support.raw_http import raw_server

from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.upstream import (
    BadAnswerError,
    ConnectFailedError,
    ResetError,
    StreamCutError,
    Upstream,
)


@asynccontextmanager
async def client(port=0, **options):
    """An upstream client. Yields a function that sends a request to that port."""
    upstream = Upstream()

    def send(method="POST", target=b"/mcp", headers=(), body=b"", **more):
        return upstream.send(ReplicaAddress("127.0.0.1", port, **options), method, target, headers, body, **more)

    try:
        yield send
    finally:
        await upstream.close()


async def whole(answer):
    """The body of an answer."""
    return b"".join([part async for part in parts(answer)])


async def read_into(got, answer):
    while True:
        got.append(await answer.read())


async def parts(answer):
    while part := await answer.read():
        yield part


def says(*texts, close=False):
    """A server that writes these texts, one after the other, whatever it is asked."""

    async def handle(exchange):
        for text in texts:
            exchange.writer.write(text)
            await exchange.writer.drain()
            await asyncio.sleep(0)
        if close:
            exchange.writer.close()

    return handle


def asked(handle, method="POST", times=1, **options):
    """Ask a server so many times. Returns status, headers and body of the last answer, and how many connected."""

    async def body():
        async with raw_server(handle, ready=False) as server, client(server.port) as send:
            for _ in range(times):
                answer = await send(method, **options)
                text = await whole(answer)
                assert answer.at_end
            return answer.status, dict(answer.headers), text, len(server.connections)

    return run(body())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (CHUNKED + b"2;a=b\r\nok\r\n3\r\n...\r\n0\r\nX-Sum: 5\r\nX-More: \xff\r\n\r\n", 200, b"ok..."),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            404,
            b"",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 304, b""),
        (b"HTTP/1.1 599 What Ever\r\nContent-Length: 0\r\n\r\n", 599, b""),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["at once", "byte by byte"])
def test_an_answer_comes_whole_and_its_connection_carries_the_next(text, status, body, cut):
    pieces = [text[index : index + 1] for index in range(len(text))] if cut else [text]
    assert asked(says(*pieces), times=3)[::2] == (status, body)
    assert asked(says(*pieces), times=3)[3] == 1


def test_trailers_and_interim_answers_add_no_headers():
    text = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + CHUNKED + b"0\r\nX-Sum: 5\r\n\r\n"
    assert set(asked(says(text))[1]) == {b"transfer-encoding", b"trailer"}


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\n\r\nall of it",
        b"HTTP/1.0 200 OK\r\n\r\nall of it",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it",
        b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nall of it",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nall of it",
    ],
)
def test_an_answer_that_ends_with_its_connection_comes_whole_and_the_next_has_another(text):
    assert asked(says(text[:-3], text[-3:], close=True), times=3)[2:] == (b"all of it", 3)


def test_a_head_request_has_no_body_whatever_its_answer_says():
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    assert asked(says(text), "HEAD", times=3)[2:] == (b"", 1)
    assert asked(says(text.replace(b"Content-Length: 500", b"Transfer-Encoding: chunked")), "HEAD", times=2)[3] == 1


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX y: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 2**20,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2**17,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2**15,
    ],
    ids=lambda text: text[:40].decode("latin-1"),
)
def test_what_is_no_answer_is_told_as_such(text):
    with pytest.raises(BadAnswerError):
        asked(says(text))


def test_a_body_in_an_encoding_that_this_client_does_not_know_is_told_as_such():
    with pytest.raises(BadAnswerError, match="gzip"):
        asked(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxxx", close=True))


def test_a_connection_that_ends_before_the_head_is_a_reset():
    for text in (b"", b"HTTP/1.1 200 OK\r\nContent-"):
        with pytest.raises(ResetError):
            asked(says(text, close=True))


@pytest.mark.parametrize(
    "text",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", CHUNKED + b"4\r\npart\r\n", CHUNKED + b"4\r\npart\r\n0\r\n"],
)
def test_a_connection_that_ends_in_the_body_cuts_it_but_what_came_is_read(text):
    async def body():
        async with raw_server(says(text, close=True), ready=False) as server, client(server.port) as send:
            answer = await send()
            got = []
            with pytest.raises(StreamCutError):
                await read_into(got, answer)
            assert b"".join(got) == b"part"

    run(body())


def test_every_byte_that_a_header_may_have_passes_in_both_directions():
    value = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)]).strip()
    seen = []

    async def handle(exchange):
        seen.extend(value for name, value in exchange.request.headers if name == b"x-raw")
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nX-Raw: %s\r\nContent-Length: 0\r\n\r\n" % value)

    assert asked(handle, headers=[(b"x-raw", value)])[1][b"x-raw"] == value
    assert seen == [value]


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"HTTP/1.1 2", b"x"])
def test_what_nobody_asked_for_is_never_the_answer_to_the_next_request(extra):
    async def handle(exchange):
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        if len(exchange.server.connections) == 1:
            exchange.writer.write(extra)

    assert asked(handle, times=3)[2:] == (b"good", 2)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again():
    async def body():
        async with (
            raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", close=True), ready=False) as server,
            client(server.port) as send,
        ):
            for number in range(1, 4):
                await whole(await send())
                await server.gone(number)
            assert len(server.connections) == 3

    run(body())


def test_an_idle_connection_is_closed_before_servers_commonly_do(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.upstream.client.KEEP_ALIVE", 0.05)

    async def body():
        async with (
            raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ready=False) as server,
            client(server.port) as send,
        ):
            await asyncio.gather(*(send() for _ in range(5)))
            await server.gone(5)

    run(body())


async def endless(chunk=b"x" * 2**16):
    while True:
        yield chunk
        await asyncio.sleep(0)


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"10"),)])
def test_a_body_goes_out_part_by_part(headers):
    async def body():
        steps = asyncio.Queue()

        async def rest():
            while part := await steps.get():
                yield part

        arrived = asyncio.Queue()

        async def handle(exchange):
            while part := await exchange.reader.read(100):
                arrived.put_nowait(part)
                if part.endswith((b"0\r\n\r\n", b"ij")):
                    await exchange.answer()

        async with raw_server(handle, ready=False, bodies=False) as server, client(server.port) as send:
            asking = asyncio.create_task(send(headers=headers, body=b"abc", rest=rest()))
            chunked = not headers
            for part in (b"abc", b"defg", b"hij"):
                if part != b"abc":
                    steps.put_nowait(part)
                assert await arrived.get() == (b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            steps.put_nowait(b"")
            assert (await asking).status == 200

    run(body())


def test_a_server_that_does_not_read_holds_up_who_sends():
    async def body():
        sent = []
        stalled = asyncio.Event()

        def look(seen):
            if len(sent) == seen:
                stalled.set()

        async def rest():
            async for part in endless():
                sent.append(len(part))
                asyncio.get_running_loop().call_later(0.3, look, len(sent))
                yield part

        async def handle(exchange):
            exchange.writer.transport.pause_reading()
            await asyncio.Event().wait()

        async with raw_server(handle, ready=False, bodies=False) as server, client(server.port) as send:
            asking = asyncio.create_task(send(body=b"x", rest=rest()))
            await stalled.wait()
            assert sum(sent) < 2**26
            asking.cancel()
            await asyncio.wait({asking})

    run(body())


def test_a_server_may_answer_before_it_has_the_whole_request():
    async def body():
        async with (
            raw_server(says(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno"), ready=False, bodies=False) as server,
            client(server.port) as send,
        ):
            answer = await send(body=b"x", rest=endless())
            assert (answer.status, await whole(answer)) == (413, b"no")
            await server.gone(1)

    run(body())


def test_an_error_of_who_sends_is_raised_and_the_request_never_ends():
    async def rest():
        yield b"x"
        raise ValueError("too large")

    async def body():
        async def handle(exchange):
            assert b"0\r\n\r\n" not in await exchange.reader.read()

        async with raw_server(handle, ready=False, bodies=False) as server, client(server.port) as send:
            with pytest.raises(ValueError, match="too large"):
                await send(body=b"x", rest=rest())
            await server.gone(1)

    run(body())


def test_a_request_that_is_cancelled_and_an_answer_that_is_given_up_close_their_connections():
    async def body():
        async def handle(exchange):
            if exchange.request.start.startswith(b"GET"):
                await exchange.start(200, ("transfer-encoding", "chunked"))
            await exchange.gone()

        async with raw_server(handle, ready=False) as server, client(server.port) as send:
            asking = asyncio.create_task(send())
            await server.until(lambda self: len(self.seen) == 1)
            asking.cancel()
            await server.gone(1)
            (await send("GET")).close()
            await server.gone(2)

    run(body())


def test_closing_the_client_cuts_what_is_under_way():
    async def body():
        async def handle(exchange):
            await exchange.start(200, ("transfer-encoding", "chunked"))
            await exchange.gone()

        async with raw_server(handle, ready=False) as server:
            async with client(server.port) as send:
                answer = await send()
            with pytest.raises(StreamCutError):
                await answer.read()
            with pytest.raises(ConnectFailedError):
                await send()

    run(body())


def test_nobody_who_listens_is_told_with_the_address():
    async def body():
        async with raw_server(says(b""), ready=False) as server:
            port = server.port
        async with client(port) as send:
            with pytest.raises(ConnectFailedError, match=f"Cannot connect to 127.0.0.1:{port}: "):
                await send()

    run(body())


def test_a_server_that_does_not_finish_the_handshake_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr("workloads.proxyrunner.upstream.dial.CONNECT_TIMEOUT", 0.2)

    async def body():
        async with raw_server(says(b""), ready=False) as server, client(server.port, tls=True) as send:
            with pytest.raises(ConnectFailedError, match=r"no answer within 0\.2 s"):
                await send()

    run(body())


def certificate(folder, *names):
    """A key and a certificate that signs itself, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    alternatives = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.needs("secrets")
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(("name", "right"), [("localhost", True), ("127.0.0.1", False)])
def test_a_server_of_https_is_told_its_name_and_must_prove_it(tmp_path, monkeypatch, name, right, trusted):
    file = certificate(tmp_path, "localhost")
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, server_name, _context: names.append(server_name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))

    async def body():
        async def handle(exchange):
            await exchange.answer(200, exchange.request.get("host").encode())

        async with raw_server(handle, ready=False, ssl=context) as server:
            upstream = Upstream()
            try:
                for _ in range(2):
                    answer = await upstream.send(ReplicaAddress(name, server.port, tls=True), "GET", b"/", ())
                    assert await whole(answer) == f"{name}:{server.port}".encode()
            finally:
                await upstream.close()
            assert len(server.connections) == 1

    if right and trusted:
        run(body())
        assert names == ["localhost"]
    else:
        with pytest.raises(ConnectFailedError, match="certificate verify failed"):
            run(body())
