"""What the labels of containers tell, as ToolHive writes them."""

from __future__ import annotations

import pytest
from tests.support import thv

from workloads.managers.toolhive.container import by_workload, changed_workload, read_container, sidecars_of
from workloads.model import TransportType


def listed(name: str, labels: dict[str, str], *, state: str = "running", number: str = "1") -> dict:
    return {
        "Id": number,
        "Names": [f"/{name}"],
        "Labels": labels,
        "State": state,
        "Status": "Up 2 minutes",
        "Image": "image:1",
        "Command": "server --flag 'two words'",
        "Created": 1767604364,
    }


def read(name: str = "github", *, state: str = "running", number: str = "1", **labels: str):
    given = {key: value for key, value in (thv.labels(name, 8080) | labels).items() if value is not None}
    return read_container("docker", listed(name, given, state=state, number=number))


def test_a_container_tells_of_its_workload():
    container = read(team="research", **{"org.opencontainers.image.title": "GitHub"})
    assert container is not None
    assert (container.workload, container.port, container.transport) == ("github", 8080, TransportType.STREAMABLE_HTTP)
    assert container.labels == {"team": "research", "org.opencontainers.image.title": "GitHub"}
    assert container.command == ("server", "--flag", "two words")
    assert container.created_at.isoformat() == "2026-01-05T09:12:44+00:00"
    assert container.internal_network == "toolhive-github-internal"


@pytest.mark.parametrize(
    ("labels", "workload"),
    [
        ({}, "github"),
        ({"toolhive-basename": None, "toolhive-name": "named"}, "named"),
        ({"toolhive-basename": None, "toolhive-name": None}, "github"),
    ],
)
def test_the_name_is_the_base_name_else_the_label_of_the_name_else_the_containers(labels, workload):
    assert read(**labels).workload == workload


@pytest.mark.parametrize(("label", "isolated"), [("true", True), ("True", True), ("false", False), (None, True)])
def test_a_container_without_the_label_of_isolation_counts_as_isolated(label, isolated):
    assert read(**{"toolhive-network-isolation": label}).isolated is isolated


@pytest.mark.parametrize("labels", [{"toolhive": "false"}, {"toolhive": None}, {"workloads.scope": "abc"}])
def test_containers_that_are_not_of_thv_are_passed_over(labels):
    assert read(**labels) is None


@pytest.mark.parametrize("name", ["../x", "a/b", "-" * 101])
def test_a_label_that_cannot_be_the_name_of_a_workload_names_none(name):
    assert read(**{"toolhive-basename": name}) is None


@pytest.mark.parametrize(("port", "number"), [("", 0), ("-1", 0), ("many", 0), ("70000", 0), ("9000", 9000)])
def test_a_port_that_is_none_is_unknown(port, number):
    assert read(**{"toolhive-port": port}).port == number


def test_a_transport_that_is_none_is_taken_for_sse():
    assert read(**{"toolhive-transport": "carrier-pigeon"}).transport is TransportType.SSE


def test_the_mark_is_read_whatever_its_case():
    assert read(toolhive="TRUE") is not None


def test_of_several_containers_of_a_workload_one_that_runs_is_its_container():
    first, second = read(state="exited", number="1"), read(state="running", number="2")
    assert by_workload([first, second])["github"].id == "2"
    assert by_workload([second, first])["github"].id == "2"


def test_sidecars_are_no_workloads_and_belong_to_the_container_of_their_name_only():
    server = read()
    sidecars = [
        read_container("docker", listed(f"github-{kind}", thv.labels(f"github-{kind}", auxiliary=True)))
        for kind in thv.SIDECARS
    ]
    others = [
        read("github-x-dns", **{"toolhive-auxiliary-workload": "true"}),
        read_container("podman", listed("github-dns", thv.labels("github-dns", auxiliary=True))),
    ]
    assert set(by_workload([server, *sidecars, *others])) == {"github"}
    assert sidecars_of(server, [server, *sidecars, *others]) == sidecars


def test_a_workload_that_is_called_like_a_sidecar_is_none():
    server, other = read(), read("github-dns")
    assert sidecars_of(server, [server, other]) == []
    assert set(by_workload([server, other])) == {"github", "github-dns"}


def test_a_container_that_is_not_isolated_has_no_sidecars():
    server = read(**{"toolhive-network-isolation": "false"})
    sidecar = read_container("docker", listed("github-dns", thv.labels("github-dns", auxiliary=True)))
    assert sidecars_of(server, [server, sidecar]) == []


@pytest.mark.parametrize(
    ("event", "workload"),
    [
        ({"Action": "die"}, "github"),
        ({"Action": "remove"}, "github"),
        ({"status": "start"}, "github"),
        ({"Action": "start", "toolhive-basename": None}, "github"),
        ({"Action": "start", "toolhive-basename": None, "toolhive-name": None, "name": "box"}, "box"),
        ({"Action": "exec_create: sh"}, ""),
        ({"Action": "health_status: healthy"}, ""),
        ({"Action": "start", "toolhive-auxiliary-workload": "true"}, ""),
        ({"Action": "start", "workloads.scope": "abc"}, ""),
        ({"Action": "start", "toolhive": None}, ""),
        ({"Action": "start", "toolhive-basename": "../etc"}, ""),
    ],
)
def test_an_event_tells_which_workload_has_changed(event, workload):
    action = {key: event[key] for key in ("Action", "status") if key in event}
    attributes = {**thv.labels("github", 8080), "name": "github", **event}
    told = {key: value for key, value in attributes.items() if value is not None and key not in action}
    assert changed_workload({**action, "Actor": {"ID": "1", "Attributes": told}}) == workload
