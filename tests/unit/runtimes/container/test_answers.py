"""What an engine says, as this library understands it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import RuntimeUnavailableError, WorkloadFailedError
from workloads.runtimes.container.engine import _is_here, agreed_version, keeps_limits
from workloads.runtimes.container.faults import faults
from workloads.runtimes.container.frames import STDERR, STDOUT, FrameReader
from workloads.runtimes.container.images import _reference, progress_of
from workloads.runtimes.container.listing import sightings
from workloads.runtimes.container.replica import exit_of
from workloads.runtimes.container.starting import published_port
from workloads.runtimes.protocol import Exit

PIECES = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)), max_size=8)


@given(PIECES, st.integers(1, 30))
def test_both_outputs_are_taken_apart_however_the_bytes_come(pieces, step):
    data = b"".join(struct.pack(">BxxxL", stream, len(piece)) + piece for stream, piece in pieces)
    reader = FrameReader()
    got = {STDOUT: b"", STDERR: b""}
    for start in range(0, len(data), step):
        for frame in reader.feed(data[start : start + step]):
            got[frame.stream] += frame.data
    for stream, output in got.items():
        assert output == b"".join(piece for each, piece in pieces if each == stream)


def test_output_is_passed_on_before_its_frame_is_whole():
    (frame,) = FrameReader().feed(struct.pack(">BxxxL", STDOUT, 100) + b"half")
    assert frame == (STDOUT, b"half")


def test_s13_30_the_port_is_that_of_the_server_however_many_are_published():
    """TH-13.30: the first port is picked by ranging over a map: random with several published ports."""
    ports = {
        "9090/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}],
        "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "2"}],
        "7070/tcp": None,
    }
    for order in (ports, dict(reversed(ports.items()))):
        assert published_port({"NetworkSettings": {"Ports": order}}, 8080) == 2
        assert published_port({"NetworkSettings": {"Ports": order}}, 7070) == 0
    assert published_port({"NetworkSettings": {"Ports": None}}, 8080) == 0
    assert published_port({}, 8080) == 0


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"ExitCode": 0}, "exited with code 0"),
        ({"ExitCode": 137}, "exited with code 137"),
        ({"ExitCode": 3, "OOMKilled": False, "Error": ""}, "exited with code 3"),
        ({"ExitCode": 137, "OOMKilled": True}, "exited with code 137 (out of memory; allow it more by the key memory)"),
        ({"ExitCode": 127, "Error": "no\nsuch file"}, "exited with code 127 (no such file)"),
    ],
)
def test_the_end_of_a_container_says_why(state, told):
    assert str(exit_of({"State": state, "HostConfig": {"Memory": 0}})) == told


def test_one_that_was_killed_by_none_of_us_may_have_been_out_of_memory():
    killed = {"State": {"ExitCode": 137}, "HostConfig": {"Memory": 2**20}}
    assert "perhaps out of memory" in str(exit_of(killed))
    assert str(exit_of(killed, asked=True)) == "exited with code 137"


def test_an_exit_without_a_note_is_told_as_before():
    assert str(Exit(code=None, signal=9)) == "killed by SIGKILL"


def test_servers_are_told_from_what_only_serves_them():
    def container(name, state="running", **labels):
        about = {"workloads.basename": name, "workloads.replica": "1", **labels}
        return {"Id": name * 3, "State": state, "Status": "Up 1 second", "Labels": about}

    found = sightings(
        [
            container("a"),
            container("b", "Exited"),
            container("c", **{"workloads.auxiliary-workload": "true"}),
            {"Id": "x", "State": "running", "Labels": None},
            container("d", **{"workloads.replica": "odd"}),
        ],
        "workloads",
    )
    assert [(each.workload, each.index, each.state, each.lives) for each in found] == [
        ("a", 1, "running", True),
        ("b", 1, "exited", False),
        ("d", 0, "running", True),
    ]
    assert found[0].container == "aaa"


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("acme/time", "acme/time", "latest"),
        ("acme/time:1", "acme/time", "1"),
        ("host:5000/time", "host:5000/time", "latest"),
        ("host:5000/time:2", "host:5000/time", "2"),
        ("acme/time@sha256:" + "0" * 64, "acme/time@sha256:" + "0" * 64, None),
    ],
)
def test_only_one_tag_of_an_image_is_fetched(image, repository, tag):
    assert _reference(image) == (repository, tag)


def test_the_progress_of_a_pull_is_that_of_all_layers():
    events = [
        {"status": "Pulling from acme/time", "id": "1"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 10, "total": 100}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 0, "total": 50}},
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "total": 9}},
        {"status": "Download complete", "id": "a", "progressDetail": {}},
        {"status": "Already exists", "id": "c"},
    ]
    assert list(progress_of(iter(events))) == [(10, 100), (10, 150), (100, 150)]
    with pytest.raises(ValueError, match="manifest unknown"):
        list(progress_of(iter([{"error": "manifest unknown"}])))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (PermissionError(13, "Permission denied"), "join the group that owns the socket"),
        (FileNotFoundError(2, "No such file"), "its socket is gone"),
        (ConnectionRefusedError(111, "refused"), "nothing listens there any more"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(104, "reset"), "see that the engine runs"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_with_its_remedy(cause, reason):
    from requests.exceptions import ConnectionError as Wrapped

    with pytest.raises(RuntimeUnavailableError, match=reason) as caught, faults("docker", "unix:///s", "cannot x"):
        raise Wrapped(cause)
    assert caught.value.runtime == "docker"
    assert caught.value.reason.startswith("cannot x: unix:///s: ")


def test_what_an_engine_refuses_is_the_failure_of_the_workload():
    from docker.errors import APIError

    refusal = APIError("500 Server Error", explanation="no space left\non device")
    told = pytest.raises(WorkloadFailedError, match="cannot x: no space left on device")
    with told as caught, faults("docker", "unix:///s", "cannot x", name="time"):
        raise refusal
    assert caught.value.name == "time"
    with pytest.raises(RuntimeUnavailableError, match="no space left"), faults("docker", "unix:///s", "cannot x"):
        raise refusal


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.44", "1.24", "1.44"),
        ("1.52", "1.24", "1.44"),
        ("1.52", "1.44", "1.44"),
        ("1.100", "1.60", "1.60"),
        ("1.60", "", "1.44"),
    ],
)
def test_the_version_that_is_spoken_is_the_newest_that_both_sides_know(newest, oldest, spoken):
    assert agreed_version(newest, oldest) == spoken


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        ({"CgroupVersion": "1"}, True),
        ({"Rootless": False, "CgroupVersion": "1"}, True),
        ({"Rootless": True, "CgroupVersion": "1"}, False),
        ({"Rootless": True}, False),
        ({"Rootless": True, "CgroupVersion": "2", "CgroupDriver": "systemd"}, True),
        ({"SecurityOptions": ["name=rootless"], "CgroupVersion": "2", "CgroupDriver": "none"}, False),
        ({"SecurityOptions": ["name=seccomp"], "CgroupVersion": "2", "CgroupDriver": "none"}, True),
    ],
)
def test_an_engine_without_root_keeps_limits_only_where_it_may(told, limits):
    assert keeps_limits(told) is limits


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("unix:///var/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://localhost:2375", True),
        ("http://[::1]:2375", True),
        ("tcp://10.0.0.7:2375", False),
        ("tcp://engine.example.org:2375", False),
    ],
)
def test_an_engine_of_another_machine_is_told_from_one_of_this(url, here):
    assert _is_here(url) is here
