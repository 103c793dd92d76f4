"""Isolated servers on real engines: what is made for them, taken again, and removed."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from docker.errors import APIError
from tests.support.waiting import wait_until

from workloads import PermissionProfile, RunConfig
from workloads.config.permissions import InboundPermissions, NetworkPermissions, OutboundPermissions
from workloads.errors import RunConfigError, WorkloadFailedError
from workloads.runtimes.container.companions import Companions
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.gateway_image import gateway_image
from workloads.runtimes.container.networks import ensure_network, remove_unused_network
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.runtimes.container.ways import open_way
from workloads.runtimes.process.ports import free_port
from workloads.runtimes.protocol import Owner

OWNER = Owner(app="workloads", scope="150")


@pytest.fixture
def runtime(engine):
    with contextlib.closing(ContainerRuntime(Engine(engine.name, engine.url), OWNER)) as runtime:
        yield runtime
        runtime.remove("a")


def profile_of(allow):
    outbound = OutboundPermissions(allow_host=allow) if allow else None
    return PermissionProfile(network=NetworkPermissions(outbound=outbound))


@pytest.fixture
def start(engine, runtime, tmp_path):
    """Starts an isolated server; what a test leaves is ended."""
    replicas = []

    def start(*command, allow=(), runtime=runtime, secrets=None, **fields):
        base = {"name": "a", "container_name": "box", "image": engine.busybox, "transport": "streamable-http"}
        profile = fields.pop("permission_profile", profile_of(allow))
        config = RunConfig(**{**base, "isolate_network": True, "command": command or ("web", "8080"), **fields},
                           permission_profile=profile)  # fmt: skip
        replica = runtime.start_replica(
            config, 0, secrets=secrets or {}, log=tmp_path / "log" / "0.log", folder=tmp_path
        )
        replicas.append(replica)
        return replica

    yield start
    for replica in replicas:
        replica.kill()
        replica.wait(120)
        for pipe in (replica.stdin, replica.stdout):
            if pipe is not None:
                pipe.close()


def inspect(engine, container):
    with contextlib.closing(engine.client()) as client:
        return client.inspect_container(container)


def serves(host, port):
    def answers():
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as answer:
            return answer.read() == b"ok\n"
        return False

    wait_until(answers, timeout=120)


def execute(engine, *command):
    with contextlib.closing(engine.client()) as client:
        return client.exec_start(client.exec_create("box", list(command))["Id"]).decode()


def test_a_server_and_its_gateway_are_taken_again_while_nothing_has_changed(engine, start):
    names = ("box", "box-egress", "box-ingress")
    first = start(allow=("a.example",))
    serves(*first.address)
    before = [inspect(engine, name)["Id"] for name in names]
    first.stop(60)
    assert not any(inspect(engine, name)["State"]["Running"] for name in names)
    serves(*start(allow=("a.example",)).address)
    assert [inspect(engine, name)["Id"] for name in names] == before


def test_a_gateway_that_lets_something_else_pass_is_a_new_one(engine, start):
    start(allow=("a.example",)).stop(60)
    before = inspect(engine, "box-egress")["Id"]
    serves(*start(allow=("b.example",)).address)
    assert inspect(engine, "box-egress")["Id"] != before


def test_a_gateway_that_outlived_its_runner_is_taken_over(engine, runtime, start):
    replica = start(allow=("a.example",))
    config = RunConfig(name="a", image="a", isolate_network=True, permission_profile=profile_of(("a.example",)))
    replica.stop(60)
    with contextlib.closing(Engine(engine.name, engine.url)) as place:
        open_way(place, OWNER, config, 0, container="box", port=8080)
    before = inspect(engine, "box-egress")["State"]["StartedAt"]
    serves(*start(allow=("a.example",)).address)
    assert inspect(engine, "box-egress")["State"]["StartedAt"] == before


@pytest.mark.parametrize(("which", "verb"), [("egress", "kill"), ("egress", "remove"), ("ingress", "kill")])
def test_a_server_whose_gateway_ends_ends_too_and_is_reached_when_it_is_started_again(engine, start, which, verb):
    """Whoever keeps it up hears of it, as of any other end; a server that runs on unreachable would be a lie."""
    replica = start(allow=("a.example",))
    serves(*replica.address)
    with contextlib.closing(engine.client()) as client:
        if verb == "kill":
            client.kill(f"box-{which}")
        else:
            client.remove_container(f"box-{which}", force=True)
    assert str(replica.wait(120)) == "killed by SIGKILL (the gateway of its network ended)"
    assert not any(inspect(engine, name)["State"]["Running"] for name in ("box", "box-ingress"))
    serves(*start(allow=("a.example",)).address)


def test_a_server_whose_gateway_runs_is_left_alone_when_the_engine_is_away_for_a_moment(engine, tmp_path):
    """It is asked again, and nobody is told."""
    told = []
    with contextlib.closing(engine.client()) as client:
        identity = client.create_container(engine.busybox, ["idle"])["Id"]
        client.start(identity)
        place = Engine(engine.name, f"unix://{tmp_path}/s")
        companions = Companions(place, [identity], workload="a", ended=lambda: told.append(True))
        try:
            (tmp_path / "s").symlink_to(engine.socket)
            client.kill(identity)
            wait_until(lambda: told)
        finally:
            companions.close()
            client.remove_container(identity, force=True)


def test_a_server_to_and_from_which_nothing_may_pass_needs_no_gateway(engine, start):
    start("idle", transport="stdio")
    assert inspect(engine, "box")["HostConfig"]["NetworkMode"] == "none"
    with contextlib.closing(engine.client()) as client:
        assert [each["Names"] for each in client.containers(all=True)] == [["/box"]]


def test_a_server_is_reached_by_the_names_that_its_profile_allows(start):
    inbound = InboundPermissions(allow_host=("tools.example", ".dev.example"))
    profile = PermissionProfile(network=NetworkPermissions(inbound=inbound))
    host, port = start(permission_profile=profile).address
    serves(host, port)

    def status(name):
        with contextlib.closing(HTTPConnection(host, port, timeout=60)) as connection:
            connection.request("GET", "/", headers={"Host": name})
            return connection.getresponse().status

    allowed = ("localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "tools.example", "TOOLS.example:80", "a.dev.example")
    refused = ("evil.example", "a.tools.example", "tools.example.evil.example", "169.254.169.254")
    assert {name: status(name) for name in allowed} == dict.fromkeys(allowed, 200)
    assert {name: status(name) for name in refused} == dict.fromkeys(refused, 403)


def test_a_published_port_leads_to_the_server_for_this_machine(start):
    port = free_port()
    start(publish=(f"{port}:8080",))
    serves("127.0.0.1", port)


def test_the_machine_of_the_engine_is_reached_where_that_is_allowed(engine, start):
    start(allow_docker_gateway=True)
    with socket.create_server(("0.0.0.0", 0)) as listening, ThreadPoolExecutor(1) as pool:
        listening.settimeout(120)

        def close_the_first():
            listening.accept()[0].close()

        accepted = pool.submit(close_the_first)
        said = f"CONNECT host.docker.internal:{listening.getsockname()[1]} HTTP/1.1"
        answer = execute(engine, "sh", "-c", f"printf '{said}\\r\\n\\r\\n' | timeout 60 nc 127.0.0.1 3128")
        assert answer.startswith("HTTP/1.1 200 ")
        accepted.result()


@pytest.mark.parametrize("isolated", [True, False])
def test_a_network_that_somebody_removed_is_made_again(engine, start, isolated):
    start(allow=("a.example",), isolate_network=isolated).stop(60)
    with contextlib.closing(engine.client()) as client, contextlib.suppress(APIError):  # Podman lets nobody remove it
        client.remove_network("workloads-external")
    serves(*start(allow=("a.example",), isolate_network=isolated).address)


@pytest.mark.parametrize("isolated", [True, False])
def test_a_network_that_goes_just_before_a_server_is_on_it_is_made_again(engine, start, monkeypatch, isolated):
    removed = []

    def ensure_and_lose(*arguments, **named):
        made = ensure_network(*arguments, **named)
        if not removed:
            with contextlib.closing(engine.client()) as client:
                client.remove_network("workloads-external")
            removed.append(True)
        return made

    monkeypatch.setattr("workloads.runtimes.container.ways.ensure_network", ensure_and_lose)
    serves(*start(allow=("a.example",), isolate_network=isolated).address)
    assert removed


def test_a_container_that_is_not_ours_is_left_alone_and_named(engine, start):
    with contextlib.closing(engine.client()) as client:
        foreign = client.create_container(engine.busybox, name="box-egress")["Id"]
        try:
            with pytest.raises(WorkloadFailedError, match="named 'box-egress' exists that is not this workload's"):
                start()
            assert inspect(engine, "box-egress")["Id"] == foreign
        finally:
            client.remove_container(foreign)


def test_nothing_is_left_of_a_server_that_cannot_be_started(engine, start):
    with pytest.raises(WorkloadFailedError, match="no-such-image"):
        start(image="localhost/no-such-image:1")
    with pytest.raises(WorkloadFailedError, match="not-a-user"):
        start(user="not-a-user")
    assert engine.present()["container"] == {}


def test_nothing_is_left_of_a_server_that_nobody_would_find_again(engine, start):
    with contextlib.closing(ContainerRuntime(Engine(engine.name, engine.url))) as unowned:
        start(runtime=unowned).stop(60)
    assert engine.present() == {"container": {}, "network": {}, "volume": {}}


@pytest.mark.parametrize("what", ["socket", "state"])
def test_no_server_sees_the_engines_socket_or_the_state_of_this_library(engine, start, tmp_path, what):
    state = tmp_path / "state"
    (state / "inner").mkdir(parents=True)
    mount = f"{engine.socket}:/engine.sock" if what == "socket" else f"{state}/inner:/state"
    owner = Owner(app="workloads", scope="150", folders=(str(state),))
    refused = pytest.raises(RunConfigError, match=r"permission_profile\.read\[0\]: .* rights over this machine")
    with contextlib.closing(ContainerRuntime(Engine(engine.name, engine.url), owner)) as runtime, refused:
        start(runtime=runtime, permission_profile=PermissionProfile(read=(mount,)))


def test_what_leads_to_another_workload_stays_when_one_is_removed(engine, runtime, start):
    try:
        replica = start(name="b", container_name="other")
        runtime.remove("a")
        assert len(engine.present()["volume"]) == 1
        serves(*replica.address)
        replica.stop(60)
        runtime.remove("a")
        assert len(engine.present()["volume"]) == 1
    finally:
        runtime.remove("b")
    assert engine.present() == {"container": {}, "network": {}, "volume": {}}


def test_the_network_is_made_once_whoever_makes_it_at_the_same_time(engine, monkeypatch):
    """Other processes, too, for which no lock is held here."""
    monkeypatch.setattr("workloads.runtimes.container.networks._making", contextlib.nullcontext())
    with contextlib.closing(Engine(engine.name, engine.url)) as place, ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            made = [pool.submit(ensure_network, place, OWNER, name="a") for _ in range(8)]
            assert True in {each.result() for each in made}
            assert list(engine.present()["network"].values()) == ["workloads-external"]
            removed = [pool.submit(remove_unused_network, place, OWNER, name="a") for _ in range(8)]
            assert {each.result() for each in removed} == {None}
            assert engine.present()["network"] == {}


# Podman makes no two of one name.
@pytest.mark.parametrize("each_engine", [pytest.param("docker", marks=pytest.mark.needs("docker"))], indirect=True)
@pytest.mark.parametrize("isolated", [True, False])
def test_a_second_network_of_its_name_holds_nobody_up(docker_engine, start, monkeypatch, isolated):
    """Somebody made one at the same time, and went before it was taken back."""
    monkeypatch.setattr("workloads.runtimes.container.networks._PATIENCE", 0.1)
    doubled = []

    def ensure_and_double(*arguments, **named):
        made = ensure_network(*arguments, **named)
        if not doubled:
            with contextlib.closing(docker_engine.client()) as client:
                doubled.append(client.create_network("workloads-external", driver="bridge", check_duplicate=False))
        return made

    monkeypatch.setattr("workloads.runtimes.container.ways.ensure_network", ensure_and_double)
    serves(*start(allow=("a.example",), isolate_network=isolated).address)
    assert doubled
    assert list(docker_engine.present()["network"].values()) == ["workloads-external"]


def test_the_image_is_built_once(engine):
    with contextlib.closing(Engine(engine.name, engine.url)) as place, ThreadPoolExecutor(2) as pool:
        made = [pool.submit(gateway_image, place, name="a") for _ in range(2)]
        assert len({each.result() for each in made}) == 1


def test_a_secret_is_a_file_that_the_engine_does_not_show(engine, start):
    secrets = {"/run/secrets/key": "hush", "VARIABLE": "seen"}
    for _ in range(2):  # the second takes the container of the first again
        replica = start("sh", "-c", "trap exit TERM; web 8080 & wait", secrets=secrets, isolate_network=False)
        assert execute(engine, "cat", "/run/secrets/key") == "hush"
        assert "hush" not in json.dumps(inspect(engine, "box"))
        replica.stop(60)
