"""What it takes to list, start and wake containers of an engine, beside the raw requests for the same.

A run until ready is told by the clock, beyond the raw requests and the start of the server itself. It is held to its
goal by the CPU that the manager and the proxy runner take for it: how long the engine takes is not for us to say.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import quote

from tests.support import engines

from bench.harness import ROUNDS, Figure, Sample, cpu_of_process, interleaved, report, timed
from workloads import RunConfig, WorkloadStatus
from workloads._core import process
from workloads._core.paths import Paths
from workloads.factory import Settings
from workloads.managers import LocalManager
from workloads.managers.containers import owner_of
from workloads.runtimes.container.attachment import connected
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.labels import selector
from workloads.runtimes.container.request import container_request
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.state import RunConfigStore, RuntimeRecord, RuntimeRecordStore, StatusStore

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 150
RUNTIME_GOAL = 1.5
MANAGER_GOAL = 2.5
START_GOAL = 500.0
WAKE_GOAL = 30.0
SERVER = ["python3", "-I", "-S", "/servers/quick_stdio.py"]
INITIALIZE = b"""\
{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},\
"clientInfo":{"name":"bench","version":"1"}}}
"""


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure lists of 150 workloads, each with a container, and starts of one more, on a Docker engine."""
    with tempfile.TemporaryDirectory(prefix="workloads-bench-") as folder, engines.running("docker") as engine:
        place = Path(folder)
        owner = owner_of(Paths.locate(state_dir=place))
        _fill(engine, place)
        asked: list[str] = []
        with (
            mock.patch.dict(os.environ, _environment() | {"DOCKER_HOST": engine.url}, clear=True),
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
            taken |= interleaved(_starts(runtime, sdk, engine.busybox, place), rounds)
            taken |= interleaved(_runs(manager, runtime, sdk, engine.python, place), rounds)
    ms = {name: sample.wall * 1000 for name, sample in taken.items()}
    floor = ms["one raw request"]
    told = {"unit": "x", "steady": False, "gates": False}
    later = {**told, "unit": "ms"}
    lists = {name: value for name, value in ms.items() if not name.startswith("a ")}
    return report(
        "containers",
        [
            Figure("requests for one list", len(asked), "", 1),
            Figure("wall, the runtime to one raw request", ms["the runtime"] / floor, goal=RUNTIME_GOAL, **told),
            Figure("wall, the manager to one raw request", ms["the manager"] / floor, goal=MANAGER_GOAL, **told),
            Figure(
                "wall, a start beyond the raw requests", ms["a start"] - ms["a raw start"], goal=START_GOAL, **later
            ),
            Figure(
                "wall, a run until ready beyond the raw requests and the server's own start",
                ms["a run"] - ms["a raw run"],
                goal=START_GOAL,
                **later,
            ),
            Figure("CPU, a run until ready", taken["a run"].cpu * 1000, "ms", goal=START_GOAL, steady=False),
            Figure("wall, a wake beyond the raw request", ms["a wake"] - ms["a raw wake"], goal=WAKE_GOAL, **later),
            *(Figure(f"wall, {name}", value, "ms", steady=False) for name, value in ms.items()),
        ],
        plot={"title": f"A list of {COUNT} containers", "unit": "ms", "values": lists},
    )


def _environment() -> dict[str, str]:
    """The environment without what would slow an interpreter down, or keep it from writing bytecode."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}


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


def _starts(runtime: ContainerRuntime, sdk: Any, image: str, place: Path) -> dict[str, Callable[[], Sample]]:
    """Starts of a new container, and wakes of one that is frozen, by the runtime and by the SDK's raw requests."""
    config = RunConfig(name="more", image=image, command=["idle"])

    def start() -> Any:
        return runtime.start_replica(config, 0, secrets={}, log=place / "more.log", folder=place)

    def end(replica: Any) -> None:
        replica.kill()
        replica.wait()
        replica.stdin.close()
        replica.stdout.close()
        runtime.remove("more")

    def raw_start() -> str:
        body = {"Image": image, "Cmd": ["idle"], "HostConfig": {"NetworkMode": "bridge"}}
        made = str(sdk.create_container_from_config(body)["Id"])
        sdk.start(made)
        return made

    def raw_end(made: str) -> None:
        sdk.remove_container(made, force=True)

    def started(start: Callable[[], Any], end: Callable[[Any], None]) -> Sample:
        held: list[Any] = []
        sample = timed(lambda: held.append(start()))
        end(held[0])
        return sample

    def wake() -> Sample:
        replica = start()
        replica.suspend()
        sample = timed(replica.resume)
        end(replica)
        return sample

    def raw_wake() -> Sample:
        made = raw_start()
        sdk.pause(made)
        sample = timed(lambda: sdk.unpause(made))
        raw_end(made)
        return sample

    return {
        "a start": lambda: started(start, end),
        "a raw start": lambda: started(raw_start, raw_end),
        "a wake": wake,
        "a raw wake": raw_wake,
    }


def _runs(
    manager: LocalManager, runtime: ContainerRuntime, sdk: Any, image: str, place: Path
) -> dict[str, Callable[[], Sample]]:
    """A server of MCP from nothing until it has answered: by a manager, whose runner serves it, and by raw requests.

    The CPU of the first is that of both processes.
    """
    config = RunConfig(name="more", image=image, command=SERVER)
    records = RuntimeRecordStore(Paths.locate(state_dir=place))

    def run() -> Sample:
        sample = timed(lambda: manager.run_workload_detached(config, wait=60))
        record = records.read("more")
        assert record is not None
        assert record.runner is not None
        spent = cpu_of_process(record.runner.pid)
        manager.delete_workloads(["more"], grace=5).wait(60)
        return Sample(sample.wall, sample.cpu + spent)

    def raw() -> str:
        body = {"Image": image, "Cmd": SERVER, "OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
        made = str(sdk.create_container_from_config(body)["Id"])
        with connected(runtime._engine, made, workload="more", stdin=True) as connection:
            sdk.start(made)
            connection.sendall(INITIALIZE)
            while b'"result"' not in connection.recv(65536):
                pass
        return made

    def raw_run() -> Sample:
        held: list[str] = []
        sample = timed(lambda: held.append(raw()))
        sdk.remove_container(held[0], force=True)
        return sample

    return {"a run": run, "a raw run": raw_run}


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
