"""What it takes to list the containers of an engine, beside one raw request for the same list."""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

from tests.support import engines

from bench.harness import ROUNDS, Figure, interleaved, report, timed
from workloads import RunConfig, WorkloadStatus
from workloads._core import process
from workloads._core.paths import Paths
from workloads.factory import Settings
from workloads.managers import LocalManager
from workloads.managers.containers import owner_of
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.labels import selector
from workloads.runtimes.container.request import container_request
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.state import RunConfigStore, RuntimeRecord, RuntimeRecordStore, StatusStore

COUNT = 150
RUNTIME_GOAL = 1.5
MANAGER_GOAL = 2.5


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure lists of 150 workloads, each with a container, on a Docker engine."""
    with tempfile.TemporaryDirectory(prefix="workloads-bench-") as folder, engines.running("docker") as engine:
        place = Path(folder)
        owner = owner_of(Paths.locate(state_dir=place))
        _fill(engine, place)
        asked: list[str] = []
        with (
            mock.patch.dict(os.environ, {"DOCKER_HOST": engine.url}),
            closing(ContainerRuntime(Engine("docker", engine.url), owner)) as runtime,
            LocalManager("docker", settings=Settings(state_dir=place)) as manager,
            closing(_Connection(engine.socket)) as raw,
            closing(engine.client()) as sdk,
        ):
            filters = quote(json.dumps({"label": selector(owner)}))
            path = f"/v{sdk.api_version}/containers/json?all=1&filters={filters}"
            assert len(raw.get(path)) == len(runtime.sightings()) == len(manager.list_workloads(all=True)) == COUNT
            asked = _requests(runtime)
            taken = interleaved(
                {
                    "one raw request": lambda: timed(lambda: raw.get(path)),
                    "the runtime": lambda: timed(runtime.sightings),
                    "the manager": lambda: timed(lambda: manager.list_workloads(all=True)),
                    "the SDK's containers.list": lambda: timed(lambda: _by_sdk(engine.url)),
                },
                rounds,
            )
    ms = {name: sample.wall * 1000 for name, sample in taken.items()}
    floor = ms["one raw request"]
    told = {"unit": "x", "steady": False, "gates": False}
    return report(
        "containers",
        [
            Figure("requests for one list", len(asked), "", 1),
            Figure("wall, the runtime to one raw request", ms["the runtime"] / floor, goal=RUNTIME_GOAL, **told),
            Figure("wall, the manager to one raw request", ms["the manager"] / floor, goal=MANAGER_GOAL, **told),
            *(Figure(f"wall, {name}", value, "ms", steady=False) for name, value in ms.items()),
        ],
        plot={"title": f"A list of {COUNT} containers", "unit": "ms", "values": ms},
    )


class _Connection(http.client.HTTPConnection):
    """A connection to a Unix socket that stays open."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def get(self, path: str) -> Any:
        self.request("GET", path)
        return json.loads(self.getresponse().read())


def _requests(runtime: ContainerRuntime) -> list[str]:
    """What the runtime asks the engine for one list."""
    asked: list[str] = []
    with runtime._engine.client("cannot list containers") as client:
        client.hooks["response"].append(lambda answer, **_: asked.append(answer.url))
    runtime.sightings()
    with runtime._engine.client("cannot list containers") as client:
        client.hooks["response"].clear()
    return asked


def _by_sdk(url: str) -> None:
    import docker

    with closing(docker.DockerClient(base_url=url)) as client:
        client.containers.list(all=True)


def _fill(engine: engines.Engine, place: Path) -> None:
    """Write workloads that run, as far as their files say, and create a container for each."""
    paths, me = Paths.locate(state_dir=place), process.current()
    owner = owner_of(paths)
    image = engine.busybox
    with closing(engine.client()) as client:

        def create(number: int) -> None:
            config = RunConfig(name=f"w{number:03}", image=image, transport="streamable-http", port=10000 + number)
            request = container_request(config, owner, 0, secrets={}, host_config={})
            made = client.create_container_from_config(request.document(), request.name)["Id"]
            RunConfigStore(paths).save(config)
            StatusStore(paths).set(config.name, WorkloadStatus.RUNNING, process_id=me.pid)
            RuntimeRecordStore(paths).write(
                RuntimeRecord(name=config.name, runtime="docker", port=config.port, runner=me, containers=(made,))
            )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(create, range(COUNT)))
