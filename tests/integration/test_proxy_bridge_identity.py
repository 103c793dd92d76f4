"""Whose a session with a stdio server is, and whose a question that waits."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager

import pytest
from tests.support.aio import run
from tests.support.bridges import LINES, META, VERSION, words
from tests.support.issuer import running_issuer
from tests.support.lives import LIFE
from tests.support.raw_http import raw_client, request

from workloads import RunConfig
from workloads.proxyrunner import ProxyRunner

pytestmark = pytest.mark.needs("auth")


@asynccontextmanager
async def guarded(issuer, server=LINES, **fields):
    """A connection to a bridge that wants to know who its clients are."""
    config = RunConfig(
        name="guarded", command=(sys.executable, str(server)), transport="stdio", oidc_config=issuer.oidc, **fields
    )
    async with ProxyRunner(config) as runner, raw_client(runner.port) as client:
        yield client


@pytest.mark.parametrize("fields", [{}, {"stdio_mode": "per-session"}, {"backend_replicas": 2}])
def test_a_session_is_refused_to_anybody_but_who_began_it(fields):
    async def body():
        with running_issuer() as issuer:
            ana, renewed, bea = issuer.bearer("ana"), issuer.bearer("ana", jti="2"), issuer.bearer("bea")
            async with guarded(issuer, LIFE, **fields) as client:
                begun = await client.post(request("initialize", 0, protocolVersion="2025-11-25", capabilities={}), ana)
                session = ("mcp-session-id", begun.get("mcp-session-id"))
                for turn in range(2):
                    assert (await client.post(request("tools/call", turn), session, renewed)).status == 200
                    refused = await client.post(request("tools/call", "x"), session, bea)
                    assert (refused.status, refused.json["error"]["code"], refused.json["id"]) == (404, -32001, "x")
                    assert (await client.ask("GET", "/mcp", session, bea)).status == 404
                    assert (await client.ask("DELETE", "/mcp", session, bea)).status == 404
                    assert (await client.post(request("tools/call"), session)).status == 401
                assert (await client.ask("DELETE", "/mcp", session, ana)).status == 204
                assert (await client.post(request("tools/call"), session, ana)).status == 404

    run(body())


def test_what_a_server_asked_one_client_cannot_be_answered_by_another():
    capabilities = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    call = {"name": "question", "arguments": {}, "_meta": {**META, **capabilities}}
    headers = (VERSION, ("mcp-method", "tools/call"), ("mcp-name", "question"))

    async def body():
        with running_issuer() as issuer:
            ana, bea = issuer.bearer("ana"), issuer.bearer("bea")
            async with guarded(issuer, env_vars={"ERA": "legacy"}) as client:
                asked = (await client.post(request(**call), *headers, ana)).json["result"]
                (key,) = asked["inputRequests"]
                given = {"requestState": asked["requestState"], "inputResponses": {key: {"action": "accept"}}}
                stolen = await client.post(request(**call, **given), *headers, bea)
                assert (stolen.status, stolen.json["error"]["code"]) == (400, -32602)
                answered = await client.post(request(**call, **given), *headers, ana)
                assert '"accept"' in words(answered)

    run(body())
