"""Passwords and sessions are in no error, no log and no repr, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback

import pytest
from tests.support import redis_server
from tests.support.aio import run

from workloads.errors import SessionStoreUnavailableError
from workloads.session import RedisStorage, Session

pytestmark = pytest.mark.needs("redis")

CANARY = "c4n4ry"


def shown(error, storage, caplog):
    """All that anybody could see of an error and its storage."""
    facts = [repr(error.__dict__), repr(error.args), repr(storage), pickle.dumps(error).decode("latin1"), caplog.text]
    facts += [repr(record.__dict__) for record in caplog.records]
    chain = "".join(traceback.format_exception(error))
    assert error.__context__ is None
    assert error.__cause__ is None
    return "".join([*facts, chain])


async def failure(url, *, session=None):
    storage = RedisStorage.from_url(url, ttl=60)
    try:
        with pytest.raises(SessionStoreUnavailableError) as caught:
            await storage.store(session or Session(id="one"))
        with pytest.raises(SessionStoreUnavailableError) as listening:
            await storage.invalidations()
        return storage, [caught.value, listening.value]
    finally:
        await storage.close()


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog):
    caplog.set_level(logging.DEBUG)


def test_a_password_that_is_refused_is_not_shown(caplog):
    async def scenario():
        url = server.url.replace("//", f"//app:{CANARY}@")
        return await failure(url)

    with redis_server.running("--requirepass", "other", credentials={"password": "other"}) as server:
        storage, errors = run(scenario())
    for error in errors:
        assert "refuses the user or the password" in str(error)
        assert CANARY not in shown(error, storage, caplog)


def test_a_password_is_not_shown_when_nobody_listens(caplog):
    async def scenario():
        return await failure(f"redis+sentinel://:{CANARY}1@127.0.0.1:1/main?sentinel_password={CANARY}2")

    storage, errors = run(scenario())
    for error in errors:
        assert CANARY not in shown(error, storage, caplog)


def test_a_server_that_repeats_what_it_was_sent_is_not_repeated(caplog):
    """As Redis does with the arguments of a command that it does not know: here with the password, and a session."""

    async def answer(reader, writer):
        while chunk := await reader.read(65536):
            echoed = chunk.replace(b"\r\n", b" ").decode()
            writer.write(f"-ERR unknown command `X`, with args beginning with: {echoed}\r\n".encode())
        writer.close()

    async def repeat(reader, writer):
        while chunk := await reader.read(65536):
            writer.write(b"-ERR wrong: " + chunk.replace(b"\r\n", b" ") + b"\r\n")
        writer.close()

    async def scenario(answering):
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        found = await failure(f"redis://app:{CANARY}@127.0.0.1:{port}", session=Session(id="one"))
        server.close()
        await server.wait_closed()
        return found

    for answering in (answer, repeat):
        storage, errors = run(scenario(answering))
        for error in errors:
            assert CANARY not in shown(error, storage, caplog)


def test_a_user_without_rights_is_told_which_one_is_missing(caplog):
    acl = f"user app on >{CANARY} ~thv:* -@all +get +ping"
    with redis_server.running("--" + acl) as server:
        storage, errors = run(failure(server.url.replace("//", f"//app:{CANARY}@")))
    for error in errors:
        assert "access control list forbids it" in str(error)
        assert CANARY not in shown(error, storage, caplog)
    assert "'set'" in str(errors[0])


def test_a_certificate_that_is_not_trusted_is_told(tmp_path, caplog):
    import trustme

    pem = str(tmp_path / "server.pem")
    trustme.CA().issue_cert(redis_server.HOST).private_key_and_cert_chain_pem.write_to_path(pem)
    (port,) = redis_server.free_ports(1)
    options = ("--tls-port", str(port), "--tls-cert-file", pem, "--tls-key-file", pem, "--tls-ca-cert-file", pem)
    with redis_server.running(*options, "--tls-auth-clients", "no") as server:
        storage, errors = run(failure(f"rediss://:{CANARY}@127.0.0.1:{port}"))
        assert server.pid
    for error in errors:
        assert "certificate" in str(error).lower()
        assert CANARY not in shown(error, storage, caplog)


def test_a_missing_file_is_told(caplog):
    storage, errors = run(failure("rediss://127.0.0.1:1?ssl_ca_certs=/nowhere/ca.pem"))
    for error in errors:
        assert CANARY not in shown(error, storage, caplog)
        assert "No such file" in str(error)
