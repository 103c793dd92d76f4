"""Starting servers as real processes."""

from __future__ import annotations

import sys

import pytest

from workloads import RunConfig
from workloads.runtimes.process.runtime import ProcessRuntime


@pytest.fixture
def runtime():
    return ProcessRuntime()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "0.log"


@pytest.fixture
def start(runtime, log, tmp_path):
    """Start a server; what is still running at the end is killed."""
    started = []

    def start(*command, secrets=None, **fields):
        fields = {"name": "server", "transport": "streamable-http", **fields}
        config = RunConfig(command=command, **fields)
        replica = runtime.start_replica(config, 0, secrets=secrets or {}, log=log, folder=tmp_path / "servers" / "0")
        started.append(replica)
        return replica

    yield start
    for replica in started:
        replica.kill()
        assert replica.wait(30) is not None
        for pipe in (replica.stdin, replica.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def python(start):
    """Start a Python program as the server."""
    return lambda program, *arguments, **fields: start(sys.executable, "-c", program, *arguments, **fields)
