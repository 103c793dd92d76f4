"""Podman as an ordinary user runs it, without root: found in the user's own folder, and used like any other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest
from tests.support import engines
from tests.support.waiting import wait_until

from workloads import RunConfig, RunConfigError, detect_runtime
from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.protocol import Owner
from workloads.runtimes.registry import load_runtime

pytestmark = [pytest.mark.needs("rootless-podman")]

# It looks twice: once as root, so that all it imports is loaded, for the user may not be allowed to read that.
_LOOK = """
import json, os, sys
from workloads import detect_runtime
from workloads.runtimes.container.engine import Engine

def look():
    found, engine = detect_runtime(), Engine("podman")
    with engine.client("cannot ask it") as client:
        told = client.info()
    engine.close()
    return found.runtime, found.chosen.endpoint, told["Rootless"]

look()
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
print(json.dumps(look()))
"""


@pytest.fixture(scope="module")
def rootless():
    with engines.running("rootless-podman") as engine:
        yield engine


def test_the_user_finds_it(rootless):
    environment = {name: value for name, value in os.environ.items() if name != "CONTAINER_HOST"}
    environment |= {"HOME": str(rootless.home), "XDG_RUNTIME_DIR": str(rootless.runtime_folder)}
    argv = [sys.executable, "-c", _LOOK, str(rootless.user)]
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    runtime, endpoint, without_root = json.loads(done.stdout)
    assert (runtime, endpoint) == ("podman", rootless.url)
    assert without_root


def test_limits_are_refused_if_it_only_takes_them(rootless, monkeypatch):
    with closing(rootless.client()) as client:
        host = client.create_host_config(mem_limit=2**26)
        identity = client.create_container(rootless.busybox, command=["idle"], host_config=host)["Id"]
        keeps = client.inspect_container(identity)["HostConfig"]["Memory"] == 2**26
        client.remove_container(identity)
    monkeypatch.setenv("CONTAINER_HOST", rootless.url)
    refused = contextlib.nullcontext() if keeps else pytest.raises(RunConfigError, match="keeps no limits")
    config = RunConfig(name="a", image=rootless.busybox, transport="stdio", command=["idle"], memory="64m")
    with closing(load_runtime("podman")) as runtime, refused:
        runtime.preflight(config)


def test_a_server_runs_on_it_and_is_reached_here(rootless, monkeypatch, tmp_path):
    monkeypatch.setenv("CONTAINER_HOST", rootless.url)
    assert detect_runtime("podman").chosen.endpoint == rootless.url
    owner = Owner(app="workloads", scope="0123456789abcdef", launch_id="l1")
    config = RunConfig(name="a", image=rootless.busybox, transport="streamable-http", command=["web"])
    with closing(load_runtime("podman").owned(owner)) as runtime:
        replica = runtime.start_replica(config, 0, secrets={}, log=tmp_path / "log", folder=tmp_path / "folder")
        host, port = replica.address

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as answer:
                    return answer.read() == b"ok\n"
            except OSError:
                return False

        wait_until(answers)
        with closing(Engine("podman", rootless.url)) as engine:
            has_cgroups = engine.keeps_limits()
        if has_cgroups:
            assert runtime.stats("a")[0].cpu_seconds > 0
        else:
            with pytest.raises(WorkloadFailedError, match="cannot tell what one container uses"):
                runtime.stats("a")
        assert [each.state for each in runtime.sightings("a")] == ["running"]
        runtime.end("a", 5.0)
        replica.wait(30)
        runtime.remove("a")
    assert rootless.present() == {"container": {}, "network": {}, "volume": {}}
