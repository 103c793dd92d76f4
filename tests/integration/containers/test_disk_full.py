"""Engines whose disk is full."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import engines, registry

import workloads
from workloads import RunConfig, WorkloadStatus
from workloads._core.paths import Paths
from workloads.errors import WorkloadFailedError

pytestmark = pytest.mark.timeout(300)

FULL = "[Nn]o space left on device"
NOTHING = {"container": {}, "network": {}, "volume": {}}
# Bytes alone are not enough for every engine: a container may need no more than names.
FILL = """
mkdir "$0/full"
dd if=/dev/zero of="$0/full/spare" bs=1024 count="$1" 2>/dev/null
cat /dev/zero > "$0/full/bytes" 2>/dev/null
if [ "$1" -eq 0 ]; then
  while number=$(( number + 1 )); true 2>/dev/null > "$0/full/$number"; do :; done
fi
rm "$0/full/spare"
"""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in engines.NAMES])
def engine(request, monkeypatch):
    """An engine of the test's own, with a disk of 64 MB."""
    with engines.running(request.param, disk=64 * 2**20) as engine:
        monkeypatch.setenv(engine.variable, engine.url)
        yield engine


@pytest.fixture
def manager(engine):
    with workloads.new_manager(engine.name) as manager:
        yield manager
        manager.delete_workloads([each.name for each in manager.list_workloads(all=True)], grace=1).wait(120)


def fill(engine, *, left=0):
    """Fill the engine's disk but for so many bytes; without any left no file can be made there, either."""
    folder = f"{engine.place.folder}/data"
    subprocess.run(engine.place.inside("sh", "-c", FILL, folder, str(left // 1024)), check=True)


def free(engine):
    subprocess.run(engine.place.inside("rm", "-r", f"{engine.place.folder}/data/full"), check=True)


def files():
    """What is kept of workloads, and secrets that are files."""
    paths = Paths.locate()
    kept = [*paths.runconfigs.glob("*.json"), *paths.statuses.glob("*.json"), *paths.runtimes.glob("*.json")]
    return [*kept, *Path("/dev/shm", f"workloads-{os.geteuid()}").glob("*")]


def check_that_it_fails(engine, manager, config, reason):
    """That it is told, and that nothing is left, even before the workload is deleted."""
    before = files()
    with pytest.raises(WorkloadFailedError, match=reason) as caught:
        manager.run_workload_detached(config, wait=120)
    assert caught.value.name == config.name
    assert engine.present() == NOTHING
    assert manager.get_workload(config.name).status is WorkloadStatus.ERROR
    manager.delete_workloads([config.name], grace=1).wait(120)
    assert files() == before


def test_a_container_that_has_no_room_fails_and_starts_when_there_is_some(engine, manager, monkeypatch):
    monkeypatch.setenv("TOOLHIVE_SECRET_KEY", "hush")
    config = RunConfig(name="a", image=engine.busybox, command=["idle"], secrets=["KEY,target=/run/secrets/key"])
    fill(engine)
    check_that_it_fails(engine, manager, config, f"cannot .* its (container|network): .*{FULL}")
    free(engine)
    manager.run_workload_detached(config)


def test_a_gateway_whose_image_has_no_room_fails(engine, manager):
    config = RunConfig(name="a", image=engine.busybox, command=["web"], transport="streamable-http",
                       isolate_network=True)  # fmt: skip
    fill(engine, left=2**21)
    check_that_it_fails(engine, manager, config, f"cannot build the image of its gateway: .*{FULL}")


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.needs("docker"))], indirect=True)
def test_an_image_that_has_no_room_fails(engine, manager):
    """On the engine that takes a registry of this machine without being configured."""
    fill(engine, left=2**19)
    with registry.serving() as served, closing(engine.client()) as client:
        served.go_on.set()
        config = RunConfig(name="a", image=served.image, command=["idle"])
        check_that_it_fails(engine, manager, config, f"cannot fetch image .*{FULL}")
        assert client.images() == []
