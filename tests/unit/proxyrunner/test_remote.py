"""A server that runs elsewhere: what a run config may say of it, and what requests for it look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import RunConfig, RunConfigError
from workloads.config import HeaderForward, MiddlewareConfig
from workloads.proxyrunner import ReplicaAddress
from workloads.proxyrunner.options import RunnerOptions
from workloads.proxyrunner.remote import onward

CANARY = "canary-90b1"
HERE = ReplicaAddress("h.example", 443, tls=True)
# As ToolHive refuses them.
REFUSED = [
    "Host", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Http2-Settings", "Proxy-Authorization",
    "Proxy-Authenticate", "Proxy-Connection", "Transfer-Encoding", "Content-Length", "Forwarded", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
]  # fmt: skip


def options(url="https://h.example/v1/mcp", **fields):
    config = {"name": "w", "remote_url": url, "transport": "streamable-http", **fields}
    return RunnerOptions.of(RunConfig.from_dict(config), {})


def remote(url="https://h.example/v1/mcp", **fields):
    found = options(url, **fields).remote
    assert found is not None
    return found


def problems(**fields):
    with pytest.raises(RunConfigError) as caught:
        options(**fields)
    assert CANARY not in str(caught.value)
    return [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("url", "asked", "sent"),
    [
        ("https://h/v2/mcp", b"/mcp", b"/v2/mcp"),
        ("https://h/v2/mcp", b"/", b"/v2/mcp"),
        ("https://h/v2/mcp", b"/v2/mcp", b"/v2/mcp"),
        ("https://h/api", b"/mcp", b"/api"),
        ("https://h/api/", b"/mcp", b"/api/"),
        ("https://h", b"/mcp", b"/mcp"),
        ("https://h/", b"/mcp", b"/mcp"),
        ("https://h", b"/", b"/"),
        ("https://h/v2/mcp", b"/.well-known/oauth-protected-resource", b"/.well-known/oauth-protected-resource"),
        ("https://h/v2/mcp?a=1&b=%20", b"/mcp", b"/v2/mcp?a=1&b=%20"),
        ("https://h/v2/mcp?a=1", b"/mcp?c=2&", b"/v2/mcp?a=1&c=2&"),
        ("https://h?a=1", b"/mcp?c=2", b"/mcp?a=1&c=2"),
        ("https://h/%7ea", b"/mcp", b"/%7ea"),
    ],
)
def test_the_path_and_the_query_of_the_url_are_merged_into_every_request(url, asked, sent):
    assert remote(url).target(asked) == sent


def test_of_sse_only_the_usual_path_of_sse_stands_for_the_endpoint():
    found = remote("https://h/v1/events", transport="sse")
    assert found.target(b"/sse") == b"/v1/events"
    assert found.target(b"/v1/messages?session_id=5") == b"/v1/messages?session_id=5"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://H.Example/x", ReplicaAddress("h.example", 443, tls=True)),
        ("https://h.example:8443/x", ReplicaAddress("h.example", 8443, tls=True)),
        ("https://[::1]:8443/x", ReplicaAddress("::1", 8443, tls=True)),
        ("http://127.0.0.1/x", ReplicaAddress("127.0.0.1", 80)),
    ],
)
def test_it_is_where_the_url_says(url, address):
    assert remote(url).address == address


def test_what_it_is_called_leaves_out_the_usual_port():
    assert remote("https://h/x").address.host_header == b"h"
    assert remote("http://127.0.0.1/x").address.host_header == b"127.0.0.1"
    assert remote("http://127.0.0.1:8080/x").address.host_header == b"127.0.0.1:8080"


@pytest.mark.parametrize(
    "url",
    ["ftp://h/x", "h.example/x", "https://", "https:///x", "https://h:99999/", "https://h:0/", "https://h:x/",
     "https://[::1/x", f"https://user:{CANARY}@h/x", f"https://user:{CANARY}/x@h/",
     "https://h/ä", "https://h/a b", "https://h/x#y"],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused(url):
    assert problems(url=url) == ["remote_url"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"transport": "stdio"}, "transport"),
        ({"image": "uvx://x"}, "image"),
        ({"command": ["x"]}, "command"),
        ({"cmd_args": ["x"]}, "cmd_args"),
        ({"backend_replicas": 2}, "backend_replicas"),
        ({"backend_replicas": 0}, "backend_replicas"),
        ({"scaling_config": {"backend_replicas": 2}}, "scaling_config.backend_replicas"),
        ({"remote_auth_config": {}}, "remote_auth_config"),
        ({"url": "http://h.example/", "header_forward": {"add_headers_from_secret": {"a": "b"}}}, "remote_url"),
    ],
)
def test_what_makes_no_sense_with_it_is_refused(fields, path):
    assert problems(**fields) == [path]


def test_headers_are_for_remote_servers_only():
    with pytest.raises(RunConfigError) as caught:
        RunnerOptions.of(
            RunConfig(
                name="w",
                command=("x",),
                header_forward=HeaderForward(),
                middleware_configs=(MiddlewareConfig(type="header-forward"),),
            ),
            {},
        )
    assert [problem.path for problem in caught.value.problems] == ["header_forward", "middleware_configs[0].type"]


@pytest.mark.parametrize("name", REFUSED)
def test_headers_of_the_connection_and_of_who_asks_are_refused(name):
    assert problems(
        header_forward={"add_plaintext_headers": {name.upper(): CANARY}, "add_headers_from_secret": {name: "a"}},
        middleware_configs=[{"type": "header-forward", "parameters": {"add_headers": {name.lower(): CANARY}}}],
    ) == [
        f"middleware_configs[0].parameters.add_headers.{name.lower()}",
        f"header_forward.add_plaintext_headers.{name.upper()}",
        f"header_forward.add_headers_from_secret.{name}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("ä", "x"),
        ("a", f"{CANARY}\r\nb: c"),
        ("a", "€"),
        ("a", " x"),
        ("a", "x "),
    ],
)
def test_what_is_no_header_is_refused(name, value):
    assert problems(header_forward={"add_plaintext_headers": {name: value}}) == [
        f"header_forward.add_plaintext_headers.{name}"
    ]


@pytest.mark.parametrize("parameters", [5, {"add_headers": []}, {"add_headers": {"a": 5}}])
def test_parameters_that_are_no_headers_are_refused(parameters):
    (path,) = problems(middleware_configs=[{"type": "header-forward", "parameters": parameters}])
    assert path.startswith("middleware_configs[0].parameters.add_headers")


def test_a_header_is_added_once():
    forward = {"add_plaintext_headers": {"X-Key": "a"}, "add_headers_from_secret": {"x-key": "b"}}
    assert problems(header_forward=forward) == ["header_forward.add_headers_from_secret.x-key"]


def test_headers_from_everywhere_replace_what_the_client_sends():
    found = remote(
        header_forward={"add_plaintext_headers": {"X-A": "1"}, "add_headers_from_secret": {"Authorization": "key"}},
        middleware_configs=[{"type": "header-forward", "parameters": {"add_headers": {"X-B": "ü"}}}],
    ).given({"authorization": f"Bearer {CANARY}"})
    sent = found.dressed([(b"x-a", b"client"), (b"authorization", b"client"), (b"x-c", b"3")])
    assert sent == [
        (b"x-c", b"3"),
        (b"x-b", "ü".encode("latin-1")),
        (b"x-a", b"1"),
        (b"authorization", f"Bearer {CANARY}".encode()),
    ]
    assert CANARY not in repr(found)


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"{CANARY}\n"}, {"Authorization": "€" + CANARY}])
def test_a_secret_that_is_missing_or_no_header_is_refused_and_not_shown(headers):
    found = remote(header_forward={"add_headers_from_secret": {"Authorization": "key"}})
    with pytest.raises(RunConfigError, match=r"header_forward\.add_headers_from_secret\.Authorization") as caught:
        found.given(headers)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/v2/mcp", b"/v2/mcp"),
        (b"mcp/?a=1", b"/v1/mcp/?a=1"),
        (b"?a=1", b"/v1/mcp?a=1"),
        (b"https://h.example/x", b"/x"),
        (b"https://H.EXAMPLE:443", b"/"),
        (b"//h.example/x", b"/x"),
    ],
)
def test_a_redirect_on_the_same_host_is_followed(location, target):
    assert onward(HERE, b"/v1/mcp", location) == (HERE, target)


@pytest.mark.parametrize(
    "location",
    [b"http://h.example/x", b"https://evil.example/x", b"//evil.example", b"https://h.example:8443/x", b"ftp://h.example/",
     b"https://h.example.evil.example/", b"https://h.example@evil.example/", b"https://[x/", b"\xff", b"https://h.example:x/"],
)  # fmt: skip
def test_a_redirect_that_leads_elsewhere_is_not(location):
    assert onward(HERE, b"/v1/mcp", location) is None


def test_a_redirect_may_lead_to_tls_and_never_back():
    plain = ReplicaAddress("h.example", 80)
    assert onward(plain, b"/", b"https://h.example/x") == (HERE, b"/x")
    assert onward(HERE, b"/", b"http://h.example/x") is None
    assert onward(ReplicaAddress("h.example", 8080), b"/", b"https://h.example/x") is None


@given(st.binary())
def test_no_location_of_a_server_breaks_it(location):
    found = onward(HERE, b"/v1/mcp", location)
    assert found is None or found[0] == HERE
