"""Which middlewares a run config asks for."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from tests.unit.proxyrunner.middleware.asgi_calls import Server, call

from workloads import RunConfig
from workloads.proxyrunner.middleware import Chain

OIDC = {"Issuer": "https://issuer.example", "Audience": "notes"}


def chain(**document):
    return Chain.of(RunConfig.from_dict({"name": "x", **document}), max_body=1000)


def mark(parameters, context):
    """A middleware of another package: it leaves its parameter and the workload in a header of the request."""

    def around(application):
        async def marked(scope, receive, send):
            value = f"{parameters} {context.workload}".encode()
            await application({**scope, "headers": [*scope["headers"], (b"x-mark", value)]}, receive, send)

        return marked

    return around


def others(name="mark", value=f"{__name__}:mark"):
    return [EntryPoint(name, value, "workloads.middleware")]


def test_the_first_listed_is_the_outermost():
    config = RunConfig.from_dict(
        {
            "name": "x",
            "middleware_configs": [{"type": "mark", "parameters": 1}, {"type": "recovery"}],
            "additional_middleware_configs": [{"type": "mark", "parameters": 2}],
        }
    )
    built, problems = Chain.of(config, max_body=1000, entry_points=others())
    assert problems == []
    assert built.types == ("mark", "recovery", "mark")
    server = Server()
    call(built.around(server))
    assert [value for name, value in server.scope["headers"] if name == b"x-mark"] == [b"1 x", b"2 x"]


def test_what_the_proxy_does_itself_and_what_has_no_effect_is_no_link():
    kinds = ["origin", "bodylimit", "header-forward", "mcp-parser", "usagemetrics"]
    built, problems = chain(middleware_configs=[{"type": kind} for kind in kinds])
    assert (built.types, problems) == ((), [])


@pytest.mark.parametrize("key", ["middleware_configs", "additional_middleware_configs"])
@pytest.mark.parametrize(
    "kind",
    [
        "audit", "authorization", "upstreamswap", "strip-auth", "tokenexchange", "awssts", "obo", "ratelimit",
        "mutating-webhook", "validating-webhook", "another", "",
    ],
)  # fmt: skip
def test_a_type_that_is_not_there_is_refused(key, kind):
    _, (problem,) = chain(**{key: [{"type": "bodylimit"}, {"type": kind}]})
    assert problem.path == f"{key}[1].type"
    known = "auth, bodylimit, header-forward, origin, recovery, telemetry, tool-call-filter, tool-filter"
    assert f"there are: {known}" in problem.message


@pytest.mark.parametrize("value", ["no.such.module:make", f"{__name__}:nothing"])
def test_one_that_cannot_be_loaded_is_refused(value):
    config = RunConfig.from_dict({"name": "x", "middleware_configs": [{"type": "broken"}]})
    _, (problem,) = Chain.of(config, max_body=1000, entry_points=others("broken", value))
    assert problem.path == "middleware_configs[0].type"
    assert f"'broken' of {value} cannot be loaded" in problem.message


def test_every_problem_of_every_middleware_is_told():
    _, problems = chain(
        middleware_configs=[
            {"type": "auth", "parameters": {"oidc_config": {"Audience": 3}}},
            {"type": "auth"},
            {"type": "nope"},
            {"type": "tool-filter", "parameters": {"filter_tools": "a"}},
            {"type": "tool-call-filter", "parameters": {"tools_override": {"a": {"name": "q"}, "b": {"name": "q"}}}},
        ]
    )
    assert [problem.path for problem in problems] == [
        "middleware_configs[0].parameters.oidc_config.Audience",
        "middleware_configs[1].parameters.oidc_config",
        "middleware_configs[2].type",
        "middleware_configs[3].parameters.filter_tools",
        "middleware_configs[4].parameters.tools_override",
    ]


def test_keys_stand_for_middlewares_that_are_not_listed():
    built, problems = chain(oidc_config=OIDC, tools_filter=["a"])
    assert (built.types, problems) == (("auth", "tool-filter", "tool-call-filter"), [])
    assert built.authenticates


def test_keys_are_never_left_out_because_a_chain_is_listed():
    listed = [{"type": "recovery"}, {"type": "tool-filter", "parameters": {"filter_tools": ["a"]}}]
    built, _ = chain(oidc_config=OIDC, tools_override={"a": {"name": "b"}}, middleware_configs=listed)
    assert built.types == ("auth", "recovery", "tool-filter", "tool-call-filter")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"Issuer": ""}, "oidc_config.Issuer"),
        ({"Audience": ""}, "oidc_config.Audience"),
        ({"Issuer": "http://issuer.example"}, "oidc_config.Issuer"),
        ({"JWKSURL": "file:///etc/passwd", "InsecureAllowHTTP": True}, "oidc_config.JWKSURL"),
        ({"IntrospectionURL": "https://issuer.example/x"}, "oidc_config.IntrospectionURL"),
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(change, path):
    _, (problem,) = chain(oidc_config=OIDC | change)
    assert problem.path == path


def test_without_middlewares_the_application_is_itself():
    built, _ = chain()
    server = Server()
    assert built.around(server) is server
    assert not built.authenticates
