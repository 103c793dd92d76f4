"""What an isolated server may reach."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.runtimes.container.gateway.policy import Policy, as_address, canonical, is_public

address = ipaddress.ip_address


@pytest.mark.parametrize(
    ("policy", "host", "port", "permitted"),
    [
        (Policy(), "example.com", 443, False),
        (Policy(hosts=("example.com",)), "example.com", 8443, True),
        (Policy(hosts=("Example.COM.",)), "example.com", 443, True),
        (Policy(hosts=("example.com",)), "a.example.com", 443, False),
        (Policy(hosts=("example.com",)), "badexample.com", 443, False),
        (Policy(hosts=(".example.com",)), "a.b.example.com", 443, True),
        (Policy(hosts=(".example.com",)), "example.com", 443, True),
        (Policy(hosts=(".example.com",)), "badexample.com", 443, False),
        (Policy(hosts=("example.com",), ports=(443,)), "example.com", 443, True),
        (Policy(hosts=("example.com",), ports=(443,)), "example.com", 80, False),
        (Policy(hosts=("example.com",), ports=(443,)), "example.org", 443, False),
        (Policy(ports=(443,)), "anything.example", 443, True),
        (Policy(ports=(443,)), "anything.example", 80, False),
        (Policy(allow_all=True, ports=(443,), hosts=("a",)), "b", 80, True),
        (Policy(hosts=("192.0.2.7",)), "192.0.2.7", 1, True),
        (Policy(hosts=("2001:db8::7",)), "2001:db8::7", 1, True),
        (Policy(hosts=("192.0.2.7",)), "192.0.2.70", 1, False),
        (Policy(allow_all=True), "host.docker.internal", 80, False),
        (Policy(hosts=("host.docker.internal",)), "host.docker.internal", 80, False),
        (Policy(engine_host=True), "host.docker.internal", 80, True),
        (Policy(engine_host=True, ports=(443,)), "gateway.docker.internal", 80, False),
        (Policy(hosts=("172.17.0.1",), engine="172.17.0.1"), "172.17.0.1", 80, False),
        (Policy(engine_host=True, engine="172.17.0.1"), "172.17.0.1", 80, True),
    ],
    ids=str,
)
def test_names_and_ports_are_those_of_the_profile(policy, host, port, permitted):
    assert policy.permits(host, port) is permitted


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "::", "::1", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b:1::1", "2002:a9fe:a9fe::1",
        "5f00::1", "fec0::1", "200::1", "::7f00:1", "4000::1",
    ],
)  # fmt: skip
def test_no_name_leads_to_what_is_near(text):
    policy = Policy(allow_all=True, hosts=("example.com",))
    assert not policy.permits_address(address(text))


@pytest.mark.parametrize("text", ["93.184.215.14", "2606:4700::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_names_lead_to_the_internet(text):
    assert Policy().permits_address(address(text))


def test_a_private_address_may_be_reached_when_it_is_named_itself():
    policy = Policy(hosts=("db.corp.example", "10.1.2.3"))
    assert policy.permits_address(address("10.1.2.3"))
    assert policy.permits_address(address("::ffff:10.1.2.3"))
    assert not policy.permits_address(address("10.1.2.4"))


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "169.254.169.254", "168.63.129.16", "0.0.0.0", "fe80::1"])
def test_some_addresses_may_not_be_reached_even_when_they_are_named(text):
    assert not Policy(hosts=(text,)).permits_address(address(text))


def test_the_machine_of_the_engine_is_not_reached_by_its_public_addresses():
    policy = Policy(allow_all=True, hosts=("93.184.215.14",), refused=("93.184.215.14",), engine="172.17.0.1")
    assert not policy.permits_address(address("93.184.215.14"))
    assert not policy.permits_address(address("172.17.0.1"))
    assert policy._replace(engine_host=True).permits_address(address("172.17.0.1"))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("[2001:DB8::0:7]", "2001:db8::7"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("1.2.3.4", "1.2.3.4"),
        ("_srv.example.com", "_srv.example.com"),
    ],
)
def test_a_host_has_one_spelling(text, host):
    assert canonical(text) == host


@pytest.mark.parametrize("text", ["", ".", "a..b", "-a.example", "a b", "a/b", "a@b", "a\0b", "ü.example", "a" * 254])
def test_what_is_no_host_is_refused(text):
    with pytest.raises(ValueError, match="not a host name"):
        canonical(text)


@pytest.mark.parametrize("text", ["127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1"])
def test_an_odd_spelling_of_an_address_is_a_name_that_nobody_allowed(text):
    assert as_address(text) is None
    assert not Policy(hosts=("127.0.0.1",)).permits_name(canonical(text))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_form_is_judged_like_itself(inner):
    mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + inner.packed)
    nat64 = ipaddress.IPv6Address(address("64:ff9b::").packed[:12] + inner.packed)
    six_to_four = ipaddress.IPv6Address(b"\x20\x02" + inner.packed + b"\0" * 10)
    for form in (mapped, nat64, six_to_four):
        assert is_public(form) is is_public(inner)


@given(st.text(st.sampled_from("ab.-"), min_size=1, max_size=8), st.text(st.sampled_from("ab.-"), max_size=8))
def test_a_dot_allows_subdomains_and_nothing_else(allowed, host):
    domain = allowed.strip(".")
    if not domain:
        return
    policy = Policy(hosts=(f".{domain}",))
    assert policy.permits_name(host) is (f".{host}".endswith(f".{domain}"))
