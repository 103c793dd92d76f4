"""The two containers around an isolated server, as values."""

from __future__ import annotations

import pytest

from workloads import PermissionProfile, RunConfig
from workloads.config.permissions import InboundPermissions, NetworkPermissions, OutboundPermissions
from workloads.runtimes.container import admission
from workloads.runtimes.container.gateway.policy import Policy
from workloads.runtimes.container.gateway.settings import DOOR, EGRESS, parse
from workloads.runtimes.container.gateways import gateway_settings, isolated_environment, needs_gateway, sidecars
from workloads.runtimes.container.networks import managed_network, network_mode
from workloads.runtimes.protocol import Owner


def config(*, network=None, **fields):
    profile = PermissionProfile(network=network)
    base = {"name": "a", "image": "a:1", "transport": "streamable-http", "isolate_network": True}
    return RunConfig(**{**base, "permission_profile": profile, **fields})


def outbound(**fields):
    return NetworkPermissions(outbound=OutboundPermissions(**fields))


def pair(given, *, port=8080, **fields):
    return sidecars(
        given,
        gateway_settings(given, port=port),
        **{"container": "a.0", "network": "workloads-external", "image": "gateway", "labels": {"k": "v"}, **fields},
    )


@pytest.mark.parametrize(
    ("given", "port", "needed"),
    [
        (config(), 0, False),
        (config(), 8080, True),
        (config(publish=("9090",)), 0, True),
        (config(network=outbound()), 0, False),
        (config(network=outbound(allow_host=("a",))), 0, True),
        (config(network=outbound(allow_port=(443,))), 0, True),
        (config(network=outbound(insecure_allow_all=True)), 0, True),
        (config(allow_docker_gateway=True), 0, True),
        (config(permission_profile=None), 0, True),
    ],
    ids=str,
)
def test_there_is_a_gateway_where_something_may_pass(given, port, needed):
    assert needs_gateway(given, port=port) is needed


def test_what_may_pass_is_what_the_profile_says():
    network = NetworkPermissions(
        outbound=OutboundPermissions(allow_host=("a", ".b"), allow_port=(443,)),
        inbound=InboundPermissions(allow_host=("c",)),
    )
    given = config(network=network, publish=("9090", "1234:9091"), allow_docker_gateway=True)
    settings = gateway_settings(given, port=8080, refused=["192.0.2.1"])
    policy = Policy(hosts=("a", ".b"), ports=(443,), engine_host=True, refused=("192.0.2.1",))
    assert settings == (EGRESS, policy, (8080, 9090, 9091), ("c",))


def test_nothing_may_pass_without_a_word_of_the_profile():
    assert gateway_settings(config(), port=0).policy == Policy()


def test_the_egress_has_the_managed_network_and_publishes_for_this_machine_only():
    egress = pair(config(publish=("1234:9090",))).egress
    assert egress.name == "a.0-egress"
    assert egress.body["HostConfig"]["NetworkMode"] == "workloads-external"
    free = {"HostIp": "127.0.0.1", "HostPort": ""}
    assert egress.body["HostConfig"]["PortBindings"] == {
        "8080/tcp": [free],
        "9090/tcp": [free, {"HostIp": "127.0.0.1", "HostPort": "1234"}],
    }
    assert egress.body["ExposedPorts"] == {"8080/tcp": {}, "9090/tcp": {}}


def test_the_door_has_no_network_and_knows_nothing_of_what_may_pass():
    door = pair(config(network=outbound(allow_host=("a.example",)))).door
    assert door.name == "a.0-ingress"
    assert door.body["HostConfig"]["NetworkMode"] == "none"
    assert "PortBindings" not in door.body["HostConfig"]
    assert parse(*door.body["Cmd"]) == (DOOR, Policy(), (8080,), ())


def test_both_are_confined_and_labelled_and_share_a_volume_and_nothing_else():
    made = pair(config())
    for sidecar in (made.egress, made.door):
        host = sidecar.body["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["ReadonlyRootfs"]
        assert host["RestartPolicy"] == {"Name": "no"}
        assert host["PidsLimit"] == 64
        assert host["Memory"] == host["MemorySwap"] == 2**27
        assert host["Mounts"] == [{"Type": "volume", "Source": "a.0-gateway", "Target": "/run/gateway"}]
        assert sidecar.body["Labels"] == {"k": "v"}
    assert made.volume == "a.0-gateway"


def test_the_digest_tells_what_may_pass():
    same = pair(config(network=outbound(allow_host=("a",))))
    assert pair(config(network=outbound(allow_host=("a",)))) == same
    other = pair(config(network=outbound(allow_host=("b",))))
    assert other.egress.digest != same.egress.digest
    assert other.door.digest == same.door.digest
    assert pair(config(), image="newer").door.digest != same.door.digest


def test_an_isolated_server_is_led_out_by_its_environment():
    assert isolated_environment() == {
        "HTTP_PROXY": "http://127.0.0.1:3128",
        "HTTPS_PROXY": "http://127.0.0.1:3128",
        "http_proxy": "http://127.0.0.1:3128",
        "https_proxy": "http://127.0.0.1:3128",
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "no_proxy": "localhost,127.0.0.1,::1",
    }


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"target_port": 3128}, "target_port"),
        ({"target_port": 53}, "target_port"),
        ({"publish": ("9090", "8000:3128")}, "publish[1]"),
        ({"permission_profile": PermissionProfile(privileged=True)}, "permission_profile.privileged"),
    ],
    ids=str,
)
def test_what_cannot_be_isolated_is_refused(fields, path):
    assert [problem.path for problem in admission.refusals(config(**fields))] == [path]
    assert admission.refusals(config(**fields, isolate_network=False)) == []


@pytest.mark.parametrize("mode", ["", "bridge", "default"])
def test_some_modes_mean_the_managed_network(mode):
    assert network_mode(config(network=NetworkPermissions(mode=mode))) == ""


@pytest.mark.parametrize("mode", ["none", "host", "others"])
def test_other_modes_are_the_engines(mode):
    assert network_mode(config(network=NetworkPermissions(mode=mode))) == mode


@pytest.mark.parametrize(("app", "name"), [("workloads", "workloads-external"), ("toolhive", "toolhive-external")])
def test_the_managed_network_is_named_after_the_application(app, name):
    assert managed_network(Owner(app=app, scope="s")) == name
