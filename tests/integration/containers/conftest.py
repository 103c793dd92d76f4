"""What tests of containers share."""

from __future__ import annotations

import contextlib

import pytest
from tests.support import thv

from workloads import LocalManager
from workloads._core.paths import Paths


@pytest.fixture
def toolhive():
    """The folder of ToolHive's state."""
    return Paths.locate("toolhive")


@pytest.fixture
def manager(engine, toolhive):
    """A manager of what is in that folder, and on one engine."""
    with LocalManager.open(app="toolhive", runtime=engine.name) as manager:
        yield manager


@pytest.fixture
def deploy(engine, toolhive):
    """Have ``thv`` run a workload; its processes, containers and networks are removed afterwards."""
    before = engine.present()
    with contextlib.ExitStack() as stack:

        def deploy(name: str = "github", *argv: str, config=None, record: bool = True, **create) -> thv.Deployment:
            deaf = create.pop("deaf", False)
            process, port = stack.enter_context(thv.proxy(*(argv or ("start", name, "--foreground")), deaf=deaf))
            deployment = thv.Deployment(engine, name, port, **create)
            deployment.process, deployment.port = process, port
            thv.write_files(toolhive, name, pid=process.pid if record else 0, port=port, **(config or {}))
            return deployment

        yield deploy
    engine.remove_new(before)
