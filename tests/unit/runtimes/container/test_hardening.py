"""From a run config to what confines its containers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import PermissionProfile, RunConfig, RunConfigError
from workloads.config.permissions import NetworkPermissions
from workloads.runtimes.container.hardening import DEFAULT_PIDS, confinement, hardening
from workloads.runtimes.container.mounts import BoundMount, bound_mounts

SOCKET = "/run/engine/docker.sock"
STATE = "/home/ana/.local/state/workloads"


def config(**fields):
    return RunConfig(**{"name": "a", "image": "a:1", "transport": "stdio", **fields})


def with_profile(**fields):
    return config(permission_profile=PermissionProfile(**fields))


def problems(run_config, resolve=lambda path: path):
    profile = run_config.effective_permission_profile
    return bound_mounts(run_config, profile, guarded=(SOCKET, STATE), resolve=resolve)[1]


def test_a_container_is_confined_without_being_asked_for():
    """TH-13.33: no user, read-only root, no-new-privileges, or resource limits; SELinux label disabled."""
    assert hardening(config()).host_config() == {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": dict.fromkeys(("/tmp", "/run", "/var/tmp"), "rw,exec,nosuid,nodev,size=256m,mode=1777"),
        "PidsLimit": DEFAULT_PIDS,
    }


@pytest.mark.parametrize("profile", [None, PermissionProfile(), PermissionProfile(privileged=True)], ids=str)
def test_no_profile_of_the_engine_is_ever_turned_off(profile):
    options = hardening(config(permission_profile=profile)).host_config().get("SecurityOpt", [])
    assert not [option for option in options if "unconfined" in option or "disable" in option]


def test_limits_and_user_are_those_of_the_run_config():
    confined = hardening(config(memory="64m", cpus="0.5", pids=20, user="1000:1000"), init=True)
    assert confined.user == "1000:1000"
    wanted = {"Memory": 2**26, "MemorySwap": 2**26, "NanoCpus": 5 * 10**8, "PidsLimit": 20, "Init": True}
    assert wanted.items() <= confined.host_config().items()


def test_limits_are_refused_where_the_engine_would_only_take_them():
    with pytest.raises(RunConfigError) as caught:
        hardening(config(memory="64m", cpus="0.5", pids=20), limits=False)
    assert [problem.path for problem in caught.value.problems] == ["memory", "cpus", "pids"]
    assert hardening(config(), limits=False) == hardening(config())


def test_privileged_is_only_what_the_profile_says():
    request = hardening(with_profile(privileged=True, read=("/:/host",))).host_config()
    mounted = [BoundMount("/", "/host", read_only=True).request()]
    assert request == {"Privileged": True, "PidsLimit": DEFAULT_PIDS, "Mounts": mounted}


def test_a_privileged_server_cannot_be_isolated():
    profile = PermissionProfile(privileged=True, network=NetworkPermissions())
    with pytest.raises(RunConfigError, match=r"permission_profile\.privileged: .*isolate_network"):
        hardening(config(permission_profile=profile, isolate_network=True))


def test_a_profile_may_open_the_root():
    request = hardening(with_profile(write=("container://rootfs:/",))).host_config()
    assert not request.keys() & {"ReadonlyRootfs", "Tmpfs", "Mounts"}
    assert request["CapDrop"] == ["ALL"]


def test_a_profile_in_a_file_is_a_problem_with_its_key():
    confined, found = confinement(config(permission_profile_name_or_path="/etc/profile.json"))
    assert [problem.path for problem in found] == ["permission_profile_name_or_path"]
    assert confined.cap_drop == ("ALL",)


def test_mounts_are_resolved_and_the_first_on_a_target_wins():
    run_config = config(
        permission_profile=PermissionProfile(
            read=("/srv/notes:/data/notes",), write=("/srv/./x/../index:/data/index", "volume://cache:/cache")
        ),
        volumes=("/srv/notes:/data//notes/", "/srv/more:/more:ro"),
    )
    assert hardening(run_config).mounts == (
        BoundMount("/srv/notes", "/data/notes", read_only=True),
        BoundMount("/srv/index", "/data/index", read_only=False),
        BoundMount("cache", "/cache", read_only=False, volume=True),
        BoundMount("/srv/more", "/more", read_only=True),
    )


def test_a_mount_in_place_of_scratch_space_is_no_conflict():
    confined = hardening(with_profile(write=("volume://scratch:/tmp",)))
    assert confined.scratch == ("/run", "/var/tmp")


def test_a_path_mount_is_never_made_by_the_engine():
    assert BoundMount("/srv", "/data", read_only=True).request() == {
        "Type": "bind",
        "Source": "/srv",
        "Target": "/data",
        "ReadOnly": True,
        "BindOptions": {"Propagation": "rprivate"},
    }


@pytest.mark.parametrize(
    "mount",
    [
        "/", "/:/host", "/proc:/p", "/proc/1/root:/p", "/sys:/s", "/sys/fs/cgroup:/s", "/dev:/d", "/dev/sda:/d",
        SOCKET, f"{SOCKET}:/s", "/run:/r", "/run/engine:/r", STATE, "/home/ana:/h", f"{STATE}/runconfigs:/r",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["read", "write"])
def test_what_gives_rights_over_this_machine_is_refused(key, mount):
    (problem,) = problems(with_profile(**{key: (mount,)}))
    assert problem.path == f"permission_profile.{key}[0]"


def test_a_link_that_may_not_be_followed_is_told_with_its_path():
    def resolve(path):
        if path == "/proc/1/root":
            raise PermissionError(13, "Permission denied", path)
        return path

    (problem,) = problems(with_profile(read=("/proc/1/root:/data",)), resolve=resolve)
    assert problem.path == "permission_profile.read[0]"
    assert "/proc/1/root cannot be looked up: Permission denied" in str(problem)


def test_a_symlink_is_judged_by_where_it_leads():
    links = {"/srv/innocent": SOCKET}
    (problem,) = problems(with_profile(read=("/srv/innocent:/s",)), resolve=lambda path: links.get(path, path))
    assert SOCKET in problem.message


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"volumes": ("notes:/data",)}, "volumes[0]"),
        ({"volumes": ("/srv:data",)}, "volumes[0]"),
        ({"volumes": ("/srv:/",)}, "volumes[0]"),
        ({"volumes": ("/srv:/data/../..",)}, "volumes[0]"),
        ({"volumes": ("/srv:/proc/sys",)}, "volumes[0]"),
        ({"volumes": ("/srv:/dev/shm",)}, "volumes[0]"),
        ({"permission_profile": PermissionProfile(read=("container://rootfs:/",))}, "permission_profile.read[0]"),
        ({"permission_profile": PermissionProfile(write=("s3://bucket:/data",))}, "permission_profile.write[0]"),
        ({"permission_profile": PermissionProfile(write=("volume://a/b:/data",))}, "permission_profile.write[0]"),
    ],
    ids=str,
)
def test_a_mount_that_makes_no_sense_is_told_with_its_path(fields, path):
    assert [problem.path for problem in problems(config(**fields))] == [path]


def test_every_bad_mount_is_told():
    found = problems(with_profile(read=("/proc", "/srv"), write=("/sys", "data:/d")))
    assert [problem.path for problem in found] == [
        "permission_profile.read[0]",
        "permission_profile.write[0]",
        "permission_profile.write[1]",
    ]


PART = st.sampled_from(["run", "engine", "docker.sock", "proc", "srv", "home", "..", ".", ""])


@given(st.lists(PART, max_size=6))
def test_no_spelling_of_a_path_shows_what_is_guarded(parts):
    path = "/" + "/".join(parts)
    mounts, _ = bound_mounts(with_profile(read=(f"{path}:/data",)), PermissionProfile(read=(f"{path}:/data",)),
                             guarded=(SOCKET,))  # fmt: skip
    for mount in mounts:
        assert ".." not in mount.source.split("/")
        for guarded in (SOCKET, "/proc", "/sys", "/dev"):
            assert not f"{guarded}/".startswith(mount.source.rstrip("/") + "/")
            assert not f"{mount.source}/".startswith(f"{guarded}/")
