"""Who may ask the control routes, and which answers."""

from __future__ import annotations

import pytest
from tests.unit.proxyrunner.middleware.asgi_calls import Server, call

from workloads.proxyrunner import ControlPort
from workloads.proxyrunner.control.app import Control
from workloads.proxyrunner.guard import Guard

HOST = (b"host", b"127.0.0.1:9090")


def ask(path="/metrics", *headers, guard=None, token=None, method="GET"):
    """The status, and whether the route was asked."""
    route = Server(b"here")
    answer = call(Control({"/metrics": route}, guard=guard, token=token), method=method, path=path, headers=headers)
    return answer.status, route.scope is not None


@pytest.mark.parametrize(
    ("path", "status"),
    [("/metrics", 200), ("/metrics/", 200), ("/metrics/x", 200), ("/metricsx", 404), ("/", 404), ("/mcp", 404)],
)
def test_a_route_answers_at_its_path_and_below(path, status):
    assert ask(path) == (status, status == 200)


def test_who_asks_for_what_is_not_there_is_told_what_is():
    assert call(Control({"/b": Server(), "/a": Server()}), path="/").body == b"There are: /a, /b\n"


def test_a_route_that_is_added_later_answers():
    routes = {}
    control = Control(routes)
    routes["/scaletozero"] = Server(b"here")
    assert call(control, path="/scaletozero/disable").body == b"here"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "header",
    [
        (b"origin", b"http://localhost:9090"),
        (b"origin", b"null"),
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-site", b"same-site"),
        (b"sec-fetch-site", b"same-origin"),
    ],
)
def test_a_page_is_refused_on_every_method(header, method):
    assert ask("/metrics", header, method=method) == (403, False)


def test_who_types_the_address_is_no_page():
    assert ask("/metrics", (b"sec-fetch-site", b"none")) == (200, True)


@pytest.mark.parametrize(("host", "status"), [((b"host", b"evil.example:9090"), 421), ((b"x-other", b""), 400)])
def test_over_tcp_the_host_must_be_its_own(host, status):
    guard = Guard(host="127.0.0.1", port=9090, loopback=True)
    assert ask("/metrics", host, guard=guard) == (status, False)
    assert ask("/metrics", HOST, guard=guard) == (200, True)


@pytest.mark.parametrize("given", [None, b"", b"Bearer", b"Bearer x", b"Bearer secretx", b"Basic secret", b"secret"])
def test_without_the_token_nothing_is_told(given):
    headers = [] if given is None else [(b"authorization", given)]
    assert ask("/metrics", *headers, token="secret") == (401, False)
    assert ask("/other", *headers, token="secret") == (401, False)


@pytest.mark.parametrize("given", [b"Bearer secret", b"bearer secret", b"BEARER  secret"])
def test_with_the_token_it_is(given):
    assert ask("/metrics", (b"authorization", given), token="secret") == (200, True)


@pytest.mark.parametrize("token", ["", "two words", "ä", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        ControlPort("127.0.0.1", 0, token)


def test_the_token_is_not_shown():
    assert "secret" not in repr(ControlPort("127.0.0.1", 0, "secret"))
