"""Images that are fetched from a registry."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.support import registry
from tests.support.waiting import wait_until

from workloads import RunConfig, WorkloadStatus, new_manager
from workloads.runtimes.registry import load_runtime


@pytest.fixture
def docker(docker_engine, monkeypatch):
    """The engine that takes a registry of this machine without being configured."""
    monkeypatch.setenv("DOCKER_HOST", docker_engine.url)
    return docker_engine


@pytest.mark.needs("docker")
def test_how_far_an_image_is_fetched_is_told_as_what_the_workload_waits_for(docker):
    with registry.serving() as served, new_manager("docker") as manager, closing(docker.client()) as client:
        config = RunConfig(name="a", image=served.image, command=["idle"])
        try:
            assert manager.run_workload_detached(config).status is WorkloadStatus.STARTING
            wait_until(lambda: "fetching image" in manager.get_workload("a").status_context, timeout=120)
            assert manager.get_workload("a").status is WorkloadStatus.STARTING
            assert f"fetching image {served.image}: " in manager.get_workload("a").status_context
            served.go_on.set()
            wait_until(lambda: not manager.get_workload("a").status_context, timeout=120)
        finally:
            manager.delete_workloads(["a"], grace=0).wait(120)
            client.remove_image(served.image, force=True)


@pytest.mark.needs("docker")
def test_an_image_is_fetched_when_it_is_missing_or_shall_be_whatever_is_here(docker, tmp_path):
    with registry.serving() as served, closing(load_runtime("docker")) as runtime, closing(docker.client()) as client:
        served.go_on.set()
        config = RunConfig(name="a", image=served.image, command=["true"])

        def run(pull):
            replica = runtime.start_replica(
                config.evolve(pull=pull), 0, secrets={}, log=tmp_path / "log", folder=tmp_path
            )
            replica.stdin.close()
            assert replica.wait(120).code == 0
            replica.stdout.close()

        try:
            for pull in ("missing", "never", "always"):
                run(pull)
        finally:
            client.remove_image(served.image, force=True)
