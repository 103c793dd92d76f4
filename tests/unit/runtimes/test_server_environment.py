"""The environment of a server."""

from __future__ import annotations

import os

import pytest

from workloads import RunConfig
from workloads.config.build import BuildConfig
from workloads.runtimes.process.environment import inherited, server_environment

HTTP = RunConfig(name="a", command=("server",), transport="streamable-http")
STDIO = RunConfig(name="a", command=("server",), transport="stdio")


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy",
        "https_proxy", "no_proxy", "all_proxy",
    ],
)  # fmt: skip
def test_a_server_inherits(name):
    assert inherited({"PATH": "/bin", name: "value"})[name] == "value"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "VIRTUAL_ENV", "LD_PRELOAD", "SSH_AUTH_SOCK", "SHELL", "PWD", "LOGNAME",
        "TOOLHIVE_SECRET_API", "WORKLOADS_SECRET_API", "TOOLHIVE_SECRETS_PASSWORD", "WORKLOADS_SECRET_CORP_PROXY",
        "TOOLHIVE_SECRET_corp_proxy", "OP_SERVICE_ACCOUNT_TOKEN", "MCP_PORT", "LANGUAGE", "PATHEXT", "path",
    ],
)  # fmt: skip
def test_a_server_does_not_inherit(name):
    assert inherited({"PATH": "/bin", name: "value"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("environ", [{}, {"PATH": ""}], ids=["missing", "empty"])
def test_without_a_path_the_systems_default_is_taken(environ):
    assert inherited(environ) == {"PATH": os.defpath}


def test_s1_5_a_stdio_server_is_told_its_transport_only():
    assert server_environment(STDIO, {"PATH": "/bin"}, address=None, secrets={}) == {
        "PATH": "/bin",
        "MCP_TRANSPORT": "stdio",
    }


@pytest.mark.parametrize("transport", ["sse", "streamable-http"])
def test_s1_5_an_http_server_is_told_where_to_listen(transport):
    config = HTTP.evolve(transport=transport)
    assert server_environment(config, {"PATH": "/bin"}, address=("127.0.0.2", 8123), secrets={}) == {
        "PATH": "/bin",
        "MCP_TRANSPORT": transport,
        "MCP_PORT": "8123",
        "FASTMCP_PORT": "8123",
        "MCP_HOST": "127.0.0.2",
    }


def test_secrets_win_over_variables_which_win_over_the_rest():
    config = HTTP.evolve(
        env_vars={"A": "variable", "B": "variable", "PATH": "/variable", "MCP_HOST": "variable"},
        runtime_config=BuildConfig(runtime_env={"A": "image", "C": "image"}),
    )
    found = server_environment(config, {"PATH": "/bin"}, address=("h", 1), secrets={"B": "secret"})
    assert {name: found[name] for name in ("A", "B", "C", "PATH", "MCP_HOST", "MCP_PORT")} == {
        "A": "variable",
        "B": "secret",
        "C": "image",
        "PATH": "/variable",
        "MCP_HOST": "variable",
        "MCP_PORT": "1",
    }
