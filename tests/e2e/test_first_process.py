"""The proxy runner as the first process of a container, which whoever stops the container gives a time to end in."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.plain_client import call
from tests.support.waiting import wait_until

import workloads

PORT = 8080
SERVER = """
import asyncio, pathlib
from mcp.server.mcpserver import MCPServer

server = MCPServer("slow", log_level="ERROR")


@server.tool()
async def slow(seconds: float, mark: str) -> str:
    pathlib.Path("/tmp", mark).touch()
    await asyncio.sleep(seconds)
    return mark


server.run("stdio")
"""
CONFIG = {
    "schema_version": "v0.1.0",
    "name": "slow",
    "transport": "stdio",
    "command": ["python", "/given/server.py"],
    "host": "0.0.0.0",
    "port": PORT,
    "insecure_bind": True,
    "env_vars": {"PYTHONPATH": "/packages"},
    "permission_profile": None,
}


class Contained:
    """A container whose first process is a proxy runner."""

    def __init__(self, client, identity: str) -> None:
        self.client, self.identity = client, identity

    def start(self) -> str:
        """Start it, and give the URL of its workload once that is ready."""
        self.client.start(self.identity)
        ports = self.client.inspect_container(self.identity)["NetworkSettings"]["Ports"]
        address = f"http://127.0.0.1:{ports[f'{PORT}/tcp'][0]['HostPort']}"

        def healthy() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                return answer.status == 200
            return False

        try:
            wait_until(healthy, timeout=120)
        except AssertionError as error:
            error.add_note(self.client.logs(self.identity).decode())
            raise
        return f"{address}/mcp"

    def has(self, mark: str) -> bool:
        """Whether the server has begun a call."""
        made = self.client.exec_create(self.identity, ["test", "-e", f"/tmp/{mark}"])
        self.client.exec_start(made)
        return self.client.exec_inspect(made)["ExitCode"] == 0

    def stop(self, grace: int) -> int:
        """What ``docker stop -t`` does; gives its exit code."""
        self.client.stop(self.identity, timeout=grace)
        return self.client.inspect_container(self.identity)["State"]["ExitCode"]


@pytest.fixture
def contained(engine, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / "server.py").write_text(SERVER)
    (given / "config.json").write_text(json.dumps(CONFIG))
    about = Path(str(metadata.distribution("workloads").locate_file("."))).glob("workloads-*.dist-info")
    binds = {
        str(given): "/given",
        str(Path(workloads.__file__).parents[1]): "/src",
        **{str(folder): f"/about/{folder.name}" for folder in about},
    }
    with contextlib.closing(engine.client()) as client:
        identity = client.create_container(
            engine.python,
            command=["python", "-m", "workloads", "proxyrunner", "--config", "/given/config.json"],
            environment={"PYTHONPATH": "/src:/about:/packages", "WORKLOADS_RUNTIME": "process"},
            ports=[PORT],
            host_config=client.create_host_config(
                binds=[f"{source}:{target}:ro" for source, target in binds.items()],
                port_bindings={PORT: ("127.0.0.1", None)},
            ),
        )["Id"]
        try:
            yield Contained(client, identity)
        finally:
            client.remove_container(identity, force=True)


@pytest.mark.timeout(600)  # the interpreter starts six times in containers
def test_a_stop_waits_for_what_is_in_flight_and_one_in_a_hurry_cuts_it(contained):
    url = contained.start()
    with ThreadPoolExecutor(1) as pool:
        began = pool.submit(call, url, "slow", seconds=5, mark="first")
        wait_until(lambda: contained.has("first"), timeout=120)
        assert contained.stop(20) == 0
        assert began.result() == "first"

        url = contained.start()
        began = pool.submit(call, url, "slow", seconds=600, mark="second")
        wait_until(lambda: contained.has("second"), timeout=120)
        assert contained.stop(1) == 137
        assert began.exception() is not None

    url = contained.start()
    assert call(url, "slow", seconds=0, mark="third") == "third"
    assert contained.stop(20) == 0
