"""Output that is written while nobody is connected to a container."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest
from tests.support import engines
from tests.support.waiting import wait_until

from workloads import RunConfig
from workloads.runtimes.protocol import Owner
from workloads.runtimes.registry import load_runtime

# The SDK leaves a socket that could not connect to the collector, which closes it: here the engine goes at any moment.
_SDK = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
pytestmark = [pytest.mark.needs("podman"), pytest.mark.timeout(300), _SDK]

COUNT = 'web & i=0; while :; do i=$((i+1)); echo $i; echo "e$i" >&2; sleep 0.05; done'


@pytest.fixture
def engine(monkeypatch):
    """An engine whose containers live on when it is killed; the test's own, for it is."""
    with engines.running("podman") as engine:
        monkeypatch.setenv(engine.variable, engine.url)
        yield engine


def test_output_goes_on_without_gaps_or_doubles_when_the_engine_comes_back(engine, tmp_path):
    log = tmp_path / "0.log"
    config = RunConfig(name="a", image=engine.busybox, command=["sh", "-c", COUNT], transport="streamable-http")

    def lines(prefix=""):
        return [line for line in log.read_text().splitlines() if line.startswith("e") == bool(prefix)]

    def await_more():
        count = len(lines())
        wait_until(lambda: len(lines()) > count + 2)

    with closing(load_runtime("podman").owned(Owner(app="workloads", scope="0123456789abcdef"))) as runtime:
        replica = runtime.start_replica(config, 0, secrets={}, log=log, folder=tmp_path)
        with closing(engine.client()) as client:
            pid = client.inspect_container(replica.container)["State"]["Pid"]
        for _ in range(2):
            await_more()
            engine.kill()
            engine.start()
        await_more()
        engine.kill()
        os.kill(pid, signal.SIGKILL)
        engine.start()
        assert replica.wait(120) is not None
        with closing(engine.client()) as client:
            for prefix, stream in (("", "stdout"), ("e", "stderr")):
                streams = {"stdout": False, "stderr": False, stream: True}
                told = client.logs(replica.container, **streams).decode().splitlines()
                assert lines(prefix) == told == [f"{prefix}{number + 1}" for number in range(len(told))]
        runtime.remove("a")
