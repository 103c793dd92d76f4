"""Which Host and Origin headers pass."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.guard import Guard, canonical_origin, host_name, is_loopback

LOCAL = Guard(host="127.0.0.1", port=8080, loopback=True)


def judge(guard, *headers):
    verdict = guard.judge([(name.encode(), value.encode()) for name, value in headers])
    return None if verdict is None else verdict.status


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LocalHost:1", "127.0.0.1:9", "[::1]:8080", "[::1]"])
def test_names_of_this_machine_pass_with_any_port(host):
    assert judge(LOCAL, ("host", host)) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "[::2]"]
)
def test_any_other_host_is_misdirected(host):
    assert judge(LOCAL, ("host", host)) == 421


@pytest.mark.parametrize(
    "host",
    ["", "localhost:", "a b", "localhost:99999999", "user@localhost", "localhost/", "localhost, evil.example"],
)
def test_what_is_no_host_makes_a_bad_request(host):
    assert judge(LOCAL, ("host", host)) == 400


def test_exactly_one_host_header_passes():
    assert judge(LOCAL) == 400
    assert judge(LOCAL, ("host", "localhost"), ("host", "localhost")) == 400


def test_further_hosts_of_the_run_config_pass():
    guard = Guard(host="127.0.0.1", port=8080, loopback=True, hosts=["Proxy.Example"])
    assert judge(guard, ("host", "proxy.example:443")) is None
    assert judge(guard, ("host", "other.example")) == 421


def test_the_address_that_is_listened_on_passes():
    assert judge(Guard(host="127.0.0.5", port=1, loopback=True), ("host", "127.0.0.5:1")) is None
    assert judge(Guard(host="::1", port=1, loopback=True), ("host", "[::1]:1")) is None


def test_a_listener_that_others_can_reach_takes_any_host_unless_it_is_told_its_names():
    anywhere = Guard(host="0.0.0.0", port=1, loopback=False)
    assert judge(anywhere, ("host", "what.ever:1")) is None
    assert judge(anywhere, ("host", "not a host")) == 400
    named = Guard(host="0.0.0.0", port=1, loopback=False, hosts=["proxy.example"])
    assert judge(named, ("host", "proxy.example")) is None
    assert judge(named, ("host", "what.ever:1")) == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8080", None),
        ("http://127.0.0.1:8080", None),
        ("http://[::1]:8080", None),
        ("HTTP://LOCALHOST:8080", None),
        ("http://localhost:8081", 403),
        ("http://localhost", 403),
        ("https://localhost:8080", 403),
        ("http://evil.example", 403),
        ("http://localhost:8080.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_loopback_listener_allows_its_own_origin_only(origin, status):
    assert judge(LOCAL, ("host", "localhost:8080"), ("origin", origin)) == status


def test_a_request_without_an_origin_passes():
    assert judge(LOCAL, ("host", "localhost")) is None


def test_several_origins_are_refused_even_if_each_is_allowed():
    own = ("origin", "http://localhost:8080")
    assert judge(LOCAL, ("host", "localhost"), own, own) == 403


def test_a_list_of_origins_replaces_the_own_ones():
    guard = Guard(host="127.0.0.1", port=8080, loopback=True, origins=["https://App.Example:443/"])
    assert judge(guard, ("host", "localhost"), ("origin", "https://app.example")) is None
    assert judge(guard, ("host", "localhost"), ("origin", "http://localhost:8080")) == 403


def test_a_listener_that_others_can_reach_checks_origins_only_against_a_list():
    assert judge(Guard(host="0.0.0.0", port=1, loopback=False), ("host", "a"), ("origin", "http://x")) is None
    guard = Guard(host="0.0.0.0", port=1, loopback=False, origins=["http://y"])
    assert judge(guard, ("host", "a"), ("origin", "http://x")) == 403


@pytest.mark.parametrize(
    ("origin", "canonical"),
    [
        ("http://A.example:80", "http://a.example"),
        ("https://a.example:443/", "https://a.example"),
        ("https://a.example:80", "https://a.example:80"),
        ("vscode-webview://abc", "vscode-webview://abc"),
        ("null", "null"),
        ("http://a.example/path", "http://a.example/path"),
    ],
)
def test_origins_are_compared_in_the_form_browsers_send(origin, canonical):
    assert canonical_origin(origin) == canonical


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.1", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_only_loopback_addresses_and_localhost_are_private(address, loopback):
    assert is_loopback(address) is loopback


def test_a_host_name_is_what_is_left_without_its_port():
    assert host_name(b"Example.org:80") == b"example.org"
    assert host_name(b"[::1]:80") == b"[::1]"
    assert host_name(b"a b") is None
