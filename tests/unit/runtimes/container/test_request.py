"""What is asked of an engine for a run config, as a value."""

from __future__ import annotations

import json

import pytest

from workloads import RunConfig
from workloads.config import PermissionProfile
from workloads.runtimes.container import admission
from workloads.runtimes.container.request import container_name, container_request
from workloads.runtimes.protocol import Owner

OWNER = Owner(app="workloads", scope="0123456789abcdef", launch_id="l1")


def config(**fields):
    return RunConfig(**{"name": "time", "image": "acme/time:1", "transport": "streamable-http", **fields})


def request(given=None, index=0, *, owner=OWNER, secrets=None, host_config=None, **fields):
    return container_request(
        config(**fields) if given is None else given, owner, index, secrets=secrets or {}, host_config=host_config or {}
    )


def test_an_http_server_is_published_on_this_machine_only():
    body = request().body
    assert body["HostConfig"]["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert body["ExposedPorts"] == {"8080/tcp": {}}
    assert not body["OpenStdin"]
    assert [text for text in body["Env"] if "MCP" in text] == [
        "FASTMCP_HOST=0.0.0.0", "FASTMCP_PORT=8080", "MCP_HOST=0.0.0.0", "MCP_PORT=8080",
        "MCP_TRANSPORT=streamable-http",
    ]  # fmt: skip


def test_a_stdio_server_has_its_input_and_no_port():
    wanted = request(transport="stdio")
    assert (wanted.port, wanted.published, wanted.stdio) == (0, False, True)
    assert wanted.body["OpenStdin"]
    assert wanted.body["StdinOnce"]
    assert "ExposedPorts" not in wanted.body
    assert wanted.body["Env"] == ["MCP_TRANSPORT=stdio"]


def test_the_program_is_the_entry_point_and_arguments_follow_it():
    assert not {"Entrypoint", "Cmd"} & request().body.keys()
    assert request(cmd_args=["-v"]).body["Cmd"] == ["-v"]
    both = request(command=["python", "-m", "x"], cmd_args=["-v"]).body
    assert (both["Entrypoint"], both["Cmd"]) == (["python", "-m", "x"], ["-v"])


def test_with_the_network_of_this_machine_nothing_is_published_and_only_it_can_connect():
    wanted = container_request(config(), OWNER, 0, secrets={}, host_config={"NetworkMode": "host"}, host_port=4711)
    assert (wanted.port, wanted.published) == (4711, False)
    assert "PortBindings" not in wanted.body["HostConfig"]
    assert {"MCP_HOST=127.0.0.1", "MCP_PORT=4711"} <= set(wanted.body["Env"])


def test_further_ports_are_published():
    bindings = request(publish=["19090:9090", "7070"], transport="stdio").body["HostConfig"]["PortBindings"]
    assert bindings == {
        "9090/tcp": [{"HostIp": "127.0.0.1", "HostPort": "19090"}],
        "7070/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
    }


def test_s13_39_the_engine_never_starts_it_again_by_itself():
    """TH-13.39: a Docker auto-restart is handled as exit."""
    for restart in ("no", "on-failure", "always", ""):
        assert request(restart=restart).body["HostConfig"]["RestartPolicy"] == {"Name": "no"}


def test_what_confines_it_is_passed_on():
    body = request(host_config={"ReadonlyRootfs": True}, user="1000:1000").body
    assert body["HostConfig"]["ReadonlyRootfs"]
    assert body["User"] == "1000:1000"


def test_a_secret_is_in_the_document_for_the_engine_and_nowhere_else():
    wanted = request(secrets={"TOKEN": "hush"}, env_vars={"TOKEN": "dummy", "A": "1"})
    assert "TOKEN=hush" in wanted.document()["Env"]
    assert "hush" not in json.dumps(wanted.body) + repr(wanted)
    assert not any(text.startswith("TOKEN=") for text in wanted.body["Env"])
    assert "hush" not in json.dumps(wanted.document()["Labels"])


def test_labels_say_whose_it_is_and_keep_those_of_the_user():
    own = {"team": "a", "workloads.basename": "forged", "workloads.auxiliary-workload": "true"}
    labels = request(container_labels=own, port=4000).body["Labels"]
    assert labels.pop("workloads.digest")
    assert labels == {
        "team": "a",
        "workloads": "true",
        "workloads.name": "time.0.01234567",
        "workloads.basename": "time",
        "workloads.transport": "streamable-http",
        "workloads.port": "4000",
        "workloads.network-isolation": "false",
        "workloads.replica": "0",
        "workloads.scope": "0123456789abcdef",
        "workloads.launch": "l1",
    }


def test_in_a_folder_of_toolhive_labels_have_its_names():
    labels = request(owner=Owner(app="toolhive", scope="s"), container_name="time").body["Labels"]
    assert {key: labels[key] for key in labels if key.startswith("toolhive")} == {
        "toolhive": "true",
        "toolhive-name": "time",
        "toolhive-basename": "time",
        "toolhive-transport": "streamable-http",
        "toolhive-port": "0",
        "toolhive-network-isolation": "false",
    }


def test_names_tell_replicas_workloads_and_folders_apart():
    other = Owner(app="workloads", scope="fedcba9876543210")
    names = {
        container_name(config(name=name), owner, index)
        for name in ("a", "a.1", "a-1") for owner in (OWNER, other) for index in (0, 1, 10)
    }  # fmt: skip
    assert len(names) == 18
    assert container_name(config(container_name="mine"), OWNER, 0) == "mine"
    assert container_name(config(container_name="mine"), OWNER, 1) == "mine.1"


def container(wanted, *, image="sha256:1", **changes):
    body = wanted.document()
    return {"Image": image, "Config": {"Labels": body["Labels"], "Env": [*body["Env"], "PATH=/bin"], **changes}}


def test_a_container_of_last_time_is_taken_again_unless_something_has_changed():
    wanted = request(secrets={"TOKEN": "hush"})
    present = container(wanted)
    assert wanted.matches(present, "sha256:1")
    assert not wanted.matches(present, "sha256:2")
    assert not request(secrets={"TOKEN": "other"}).matches(present, "sha256:1")
    assert not request(secrets={"TOKEN": "hush"}, env_vars={"A": "1"}).matches(present, "sha256:1")
    later = Owner(app="workloads", scope=OWNER.scope, launch_id="l2")
    assert request(secrets={"TOKEN": "hush"}, owner=later).matches(present, "sha256:1")
    assert not wanted.matches(container(wanted, Labels=None), "sha256:1")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"image": ""}, "image"),
        ({"image": "uvx://mcp-server-time"}, "image"),
        ({"image": "npx://x"}, "image"),
        ({"image": "two words"}, "image"),
        ({"transport": "inspector"}, "transport"),
        ({"target_host": "10.0.0.1"}, "target_host"),
        ({"env_file_dir": "/x"}, "env_file_dir"),
        ({"k8s_pod_template_patch": "{}"}, "k8s_pod_template_patch"),
        ({"backend_replicas": 33}, "backend_replicas"),
        ({"backend_replicas": -1}, "backend_replicas"),
        ({"backend_replicas": 2, "publish": ["80", "81:81"]}, "publish[1]"),
        (
            {"permission_profile": PermissionProfile.from_dict({"network": {"mode": "none"}})},
            "permission_profile.network.mode",
        ),
        (
            {"permission_profile": PermissionProfile.from_dict({"network": {"mode": "container:x"}})},
            "permission_profile.network.mode",
        ),
    ],
)
def test_what_an_engine_cannot_do_is_refused(fields, path):
    assert [problem.path for problem in admission.refusals(config(**fields))] == [path]


def test_what_an_engine_can_do_is_not_refused():
    assert admission.refusals(config(memory="64m", cpus="0.5", pids=10, user="1000", pull="always")) == []
