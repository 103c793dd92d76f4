"""Servers as containers of real engines."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import closing

import pytest
from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads.errors import PortInUseError, RuntimeUnavailableError, WorkloadFailedError
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.runtimes.protocol import LastingRuntime, Owner
from workloads.runtimes.registry import load_runtime

OWNER = Owner(app="workloads", scope="0123456789abcdef", launch_id="l1")


@pytest.fixture
def runtime(engine):
    runtime = load_runtime(engine.name).owned(OWNER)
    with closing(runtime):
        yield runtime
        for name in {"a", *(sighting.workload for sighting in runtime.sightings())}:
            runtime.remove(name)


@pytest.fixture
def start(engine, runtime, tmp_path):
    """Starts a server; what a test leaves is ended."""
    replicas = []

    def start(*command, index=0, secrets=None, **fields):
        fields = {"name": "a", "image": engine.busybox, "transport": "stdio", "command": command, **fields}
        log, folder = tmp_path / "logs" / f"{index}.log", tmp_path / "folder"
        replica = runtime.start_replica(RunConfig(**fields), index, secrets=secrets or {}, log=log, folder=folder)
        replicas.append(replica)
        return replica

    yield start
    for replica in replicas:
        if replica.wait(0) is None:
            replica.kill()
            replica.wait(120)
        for pipe in (replica.stdin, replica.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def log(tmp_path):
    return lambda index=0: (tmp_path / "logs" / f"{index}.log").read_text()


def read(replica):
    host, port = replica.address
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as answer:
        return answer.read()


def answers(replica):
    try:
        return read(replica) == b"ok\n"
    except OSError:
        return False


def web(start, **fields):
    return start("web", transport="streamable-http", **fields)


def test_an_http_server_is_reached_on_this_machine_and_ends_when_asked(start, runtime):
    replica = web(start)
    assert replica.address[0] == "127.0.0.1"
    wait_until(lambda: answers(replica), timeout=120)
    (sighting,) = runtime.sightings("a")
    assert (sighting.container, sighting.state, sighting.index) == (replica.container, "running", 0)
    assert replica.stop(60).code == 0
    assert replica.stop(60) == replica.wait(0)
    replica.kill()
    assert [sighting.lives for sighting in runtime.sightings("a")] == [False]


def test_a_stdio_server_is_talked_to_and_its_errors_go_to_the_log(start, log):
    replica = start("sh", "-c", "echo oh >&2; cat; echo bye >&2")
    assert replica.address is None
    for line in (b"one\n", b"x" * 200_000 + b"\n"):
        replica.stdin.write(line)
        got = b""
        while not got.endswith(b"\n"):
            got += replica.stdout.read(65536)
        assert got == line
    replica.stdin.close()
    assert replica.wait(120).code == 0
    assert replica.stdout.read(10) == b""
    assert log() == "oh\nbye\n"


def test_one_that_is_frozen_goes_on_and_can_be_ended(start, runtime):
    replica = web(start)
    wait_until(lambda: answers(replica), timeout=120)
    for _ in range(2):
        replica.suspend()
    assert [sighting.state for sighting in runtime.sightings("a")] == ["paused"]
    for _ in range(2):
        replica.resume()
    wait_until(lambda: answers(replica), timeout=120)
    replica.suspend()
    assert replica.stop(60).code == 0
    replica = web(start)
    replica.suspend()
    replica.kill()
    assert replica.wait(120).code == 137


def test_the_container_of_last_time_is_taken_again_while_nothing_has_changed(start):
    def once(**fields):
        replica = start("true", **fields)
        replica.wait(120)
        return replica.container

    first = once(secrets={"TOKEN": "hush"})
    assert once(secrets={"TOKEN": "hush"}) == first
    second = once(secrets={"TOKEN": "other"})
    assert second != first
    assert once(secrets={"TOKEN": "other"}, env_vars={"A": "1"}) != second


def test_secrets_reach_the_server_and_no_label(start, engine):
    replica = start("sh", "-c", "echo $TOKEN", secrets={"TOKEN": "hush"})
    assert replica.stdout.read(100) == b"hush\n"
    replica.wait(120)
    with closing(engine.client()) as client:
        assert "hush" not in str(client.inspect_container(replica.container)["Config"]["Labels"])


def test_one_that_ends_at_once_says_how_and_what_it_said_last(start, log):
    """By an error from engines that tell no address any more, else as any other end."""
    caught = None
    try:
        replica = start("sh", "-c", "echo hush; exit 3", transport="streamable-http", secrets={"TOKEN": "hush"})
    except WorkloadFailedError as error:
        caught = error.reason, error.logs
    if caught is None:
        assert replica.wait(120).code == 3
    assert caught in (None, ("exited with code 3 before it was ready", ("***",)))
    assert log() == "hush\n"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": "localhost/no-such-image:1"}, "cannot fetch image 'localhost/no-such-image:1'"),
        ({"image": "localhost/no-such-image:1", "pull": "never"}, "pull is 'never'"),
        ({"volumes": ["/no/such/folder:/data"]}, "/no/such/folder"),
    ],
    ids=["image", "never", "mount"],
)
def test_one_that_cannot_be_started_says_why_and_leaves_nothing(start, runtime, fields, reason):
    with pytest.raises(WorkloadFailedError, match=reason) as caught:
        start(**{"command": ["idle"], **fields})
    assert caught.value.name == "a"
    assert runtime.sightings() == []


def test_a_program_that_the_image_does_not_have_is_told(start, log):
    """By the engine, or by the init that it puts in front."""
    try:
        replica = start("no-such-program")
    except WorkloadFailedError as error:
        told = str(error)
    else:
        assert replica.wait(120).code == 127
        told = log()
    assert "no-such-program" in told


def test_an_image_that_is_here_is_enough_when_it_cannot_be_fetched(start):
    replica = start("true", pull="always")
    assert replica.wait(120).code == 0


def test_out_of_memory_is_told(start):
    replica = start("sh", "-c", "a=$(head -c 50000000 /dev/zero | tr '\\0' x); echo ${#a}", memory="8m")
    assert "137" in str(replica.wait(120))
    assert "out of memory" in str(replica.wait(120))


def test_a_port_that_is_taken_is_told(start, runtime):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            start("idle", publish=[f"{port}:80"])
    assert caught.value.port == port
    assert runtime.sightings() == []


def test_what_somebody_else_left_is_ended_and_removed_and_that_of_others_is_not(start, engine, runtime):
    first, second = start("idle"), start("idle", index=1)
    second.suspend()
    other = ContainerRuntime(Engine(engine.name, engine.url), Owner(app="workloads", scope="other"))
    with closing(other):
        assert isinstance(other, LastingRuntime)
        assert other.sightings() == []
        other.end("a", 0)
        other.remove("a")
    assert [sighting.lives for sighting in runtime.sightings("a")] == [True, True]
    with closing(load_runtime(engine.name).owned(OWNER)) as again:
        again.end("a", 60)
        assert (first.wait(120).code, second.wait(120).code) == (0, 0)
        again.remove("b")
        assert len(again.sightings("a")) == 2
        again.remove("a")
        assert again.sightings() == []


def test_a_container_of_that_name_that_is_not_ours_is_left_alone(start, engine):
    with closing(engine.client()) as client:
        mine = client.create_container_from_config({"Image": engine.busybox, "Cmd": ["idle"]}, "taken")["Id"]
        with pytest.raises(WorkloadFailedError, match="that is not this workload's"):
            start("idle", container_name="taken")
        client.inspect_container(mine)
        client.remove_container(mine)


def test_one_that_is_removed_behind_our_back_has_ended(start, engine):
    replica = start("idle")
    with closing(engine.client()) as client:
        client.remove_container(replica.container, force=True)
    assert replica.wait(120) is not None


def test_an_engine_that_is_away_is_an_error_that_says_so(tmp_path):
    with closing(ContainerRuntime(Engine("docker", f"unix://{tmp_path}/none"), OWNER)) as runtime:
        with pytest.raises(RuntimeUnavailableError, match="its socket is gone; start the engine"):
            runtime.sightings()
        config = RunConfig(name="a", image="x:1")
        with pytest.raises(RuntimeUnavailableError, match="its socket is gone"):
            runtime.preflight(config)


def test_nothing_is_left_of_what_nobody_would_find_again(engine, tmp_path):
    """As for a proxy runner inside of some program; several may run the same workload."""
    config = RunConfig(name="a", image=engine.busybox, command=["true"])
    with closing(load_runtime(engine.name)) as runtime:
        replicas = [
            runtime.start_replica(config, 0, secrets={}, log=tmp_path / f"{number}.log", folder=tmp_path)
            for number in range(2)
        ]
        for replica in replicas:
            replica.wait(120)
            replica.stdin.close()
            replica.stdout.close()
    assert engine.present()["container"] == {}
