"""Access tokens before a workload, from a real issuer."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.aio import run
from tests.support.issuer import running_issuer
from tests.support.raw_http import raw_client, raw_server, request
from tests.support.runners import routed

from workloads.config import OIDCConfig
from workloads.proxyrunner.middleware.tokens import InvalidTokenError, IssuerUnavailableError, TokenValidator
from workloads.session import Identity

pytestmark = pytest.mark.needs("auth")


def config(issuer, **changes):
    fields = {"issuer": issuer.url, "audience": "notes", "insecure_allow_http": True, "allow_private_ip": True}
    return OIDCConfig(**fields | changes)


def outcome(validator, token):
    async def ask():
        return await validator.identity(token)

    return run(ask())


@pytest.fixture
def issuer():
    with running_issuer() as issuer:
        yield issuer


def test_a_valid_token_tells_who_it_is_and_is_known_again_without_another_look(issuer):
    async def body():
        validator = TokenValidator(config(issuer))
        token = issuer.token(aud=["other", "notes"])
        assert await validator.identity(token) == Identity(issuer=issuer.url, subject="ana")
        assert (
            await asyncio.gather(*[validator.identity(token) for _ in range(50)])
            == [Identity(issuer=issuer.url, subject="ana")] * 50
        )
        assert issuer.fetched == ["/.well-known/openid-configuration", "/keys"]

    run(body())


def test_a_token_is_forgotten_when_it_expires(issuer):
    async def body():
        now = [0.0]
        validator = TokenValidator(config(issuer), clock=lambda: now[0])
        token = issuer.token()
        await validator.identity(token)
        issuer.rotate("second")
        now[0] = 59.0
        await validator.identity(token)
        now[0] = 61.0
        issuer.keys = {}
        await validator.identity(token)  # the keys are kept for longer than that
        assert issuer.fetched == ["/.well-known/openid-configuration", "/keys"]

    run(body())


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "The token has expired"),
        ({"exp": None}, "The token is not valid"),
        ({"sub": None}, "The token is not valid"),
        ({"aud": "another"}, "The token is for another audience"),
        ({"aud": None}, "The token is not valid"),
        ({"iss": "https://another.example"}, "The token is of another issuer"),
        ({"nbf": 2**33}, "The token is not valid"),
        ({"key": "secret" * 8, "algorithm": "HS256"}, "The token is not valid"),
        ({"kid": "unknown"}, "The token is not valid"),
    ],
)
def test_a_token_that_is_not_for_here_is_refused_without_repeating_it(issuer, claims, reason):
    token = issuer.token(**claims)
    with pytest.raises(InvalidTokenError) as caught:
        outcome(TokenValidator(config(issuer)), token)
    assert str(caught.value).startswith(reason[:14])
    assert token not in repr(caught.value)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ÿ", "." * 10_000])
def test_what_is_no_token_is_refused(issuer, token):
    with pytest.raises(InvalidTokenError):
        outcome(TokenValidator(config(issuer)), token)


def test_a_token_signed_by_somebody_else_is_refused(issuer):
    with running_issuer() as other:
        forged = other.token(iss=issuer.url)
    with pytest.raises(InvalidTokenError):
        outcome(TokenValidator(config(issuer)), forged)


def test_an_issuer_that_is_away_is_not_an_invalid_token(issuer):
    async def body():
        validator = TokenValidator(config(issuer))
        issuer.down = True
        with pytest.raises(IssuerUnavailableError):
            await validator.identity(issuer.token())
        issuer.down = False
        assert (await validator.identity(issuer.token())).subject == "ana"

    run(body())


def test_all_who_wait_for_an_issuer_that_is_away_wait_for_one_look(issuer):
    async def body():
        validator = TokenValidator(config(issuer))
        issuer.down = True
        outcomes = await asyncio.gather(*[validator.identity(issuer.token()) for _ in range(8)], return_exceptions=True)
        assert [type(each) for each in outcomes] == [IssuerUnavailableError] * 8
        assert issuer.fetched == ["/.well-known/openid-configuration"]

    run(body())


def test_who_leaves_takes_the_keys_from_nobody(issuer):
    async def body():
        validator = TokenValidator(config(issuer))
        leaving, staying = (asyncio.create_task(validator.identity(issuer.token())) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).subject == "ana"
        assert leaving.cancelled()

    run(body())


def test_an_issuer_in_a_private_network_needs_a_word(issuer):
    with pytest.raises(IssuerUnavailableError, match="AllowPrivateIP"):
        outcome(TokenValidator(config(issuer, allow_private_ip=False)), issuer.token())
    assert not issuer.fetched


def test_only_who_has_a_token_reaches_the_server_and_the_server_never_sees_it(issuer):
    document = config(issuer, resource_url="http://127.0.0.1/mcp", scopes=("read",)).to_dict()

    async def answer(exchange):
        await exchange.answer(200, b"{}", ("content-type", "application/json"))

    async def body():
        async with (
            raw_server(answer) as server,
            routed(server.port, oidc_config=OIDCConfig.from_dict(document), stateless=True) as runner,
            raw_client(runner.port) as client,
        ):
            refused = await client.post(request(request_id=5))
            assert refused.status == 401
            assert refused.json["id"] == 5
            assert refused.get("www-authenticate") == (
                'Bearer resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource/mcp", scope="read"'
            )
            told = await client.ask("GET", "/.well-known/oauth-protected-resource/mcp")
            assert told.json == {
                "resource": "http://127.0.0.1/mcp",
                "authorization_servers": [issuer.url],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["read"],
            }
            expired = await client.post(request(), ("authorization", f"Bearer {issuer.token(exp=1)}"))
            assert expired.status == 401
            assert 'error="invalid_token"' in expired.get("www-authenticate")
            assert (await client.ask("GET", "/health")).status == 200
            assert server.seen == []
            passed = await client.post(request(), ("authorization", f"bearer {issuer.token()}"))
            assert passed.status == 200
            assert [seen.get("authorization") for seen in server.seen] == [None]

    run(body())
