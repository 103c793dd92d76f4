"""What ToolHive's ``thv`` leaves on a machine, made without it: files, containers, networks, and its proxy process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engines import Engine

    from workloads._core.paths import Paths

SIDECARS = ("egress", "ingress", "dns")
# It ends on SIGTERM, or only on SIGKILL when told so; it listens where the proxy would.
_PROXY = """
import signal, socket, sys, time
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", {port}))
print(listener.getsockname()[1], flush=True)
while True:
    time.sleep(60)
"""


def run_config(name: str, **more: Any) -> dict[str, Any]:
    """A run config as ``thv`` writes it."""
    return {
        "schema_version": "v0.1.0",
        "image": "localhost/workloads-busybox:1",
        "name": name,
        "transport": "streamable-http",
        "host": "127.0.0.1",
        "port": 0,
        "permission_profile": {"name": "network", "network": {"outbound": {"insecure_allow_all": True}}},
        "container_name": name,
        "base_name": name,
        "target_port": 8080,
        "target_host": "127.0.0.1",
        "env_vars": {},
        "container_labels": labels(name),
        "group": "default",
        **more,
    }


def labels(name: str, port: int = 0, *, isolated: bool | None = True, auxiliary: bool = False) -> dict[str, str]:
    """The labels that ``thv`` gives to a container; ``isolated`` None leaves that label out, as old versions do."""
    found = {
        "toolhive": "true",
        "toolhive-name": name,
        "toolhive-basename": name,
        "toolhive-transport": "stdio" if auxiliary else "streamable-http",
        "toolhive-port": "80" if auxiliary else str(port),
    }
    if auxiliary:
        found["toolhive-auxiliary-workload"] = "true"
    elif isolated is not None:
        found["toolhive-network-isolation"] = str(isolated).lower()
    return found


def write_files(paths: Paths, name: str, status: str = "running", pid: int = 0, **config: Any) -> None:
    """The run config and the status of a workload."""
    for folder in (paths.runconfigs, paths.statuses, paths.groups):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    (paths.runconfigs / f"{name}.json").write_text(json.dumps(run_config(name, **config), indent=2))
    (paths.groups / "default.json").write_text(json.dumps({"name": "default", "registered_clients": []}))
    write_status(paths, name, status, pid)


def write_status(paths: Paths, name: str, status: str, pid: int = 0, context: str = "") -> None:
    """The status of a workload, with times as Go writes them."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"
    document = {"status": status, "status_context": context, "created_at": "2026-01-05T09:12:44.123456789Z"}
    document |= {"updated_at": now, "process_id": pid}
    if not context:
        del document["status_context"]
    path = paths.statuses / f"{name}.json"
    path.write_text(json.dumps(document))
    path.chmod(0o600)


def status_of(paths: Paths, name: str = "github") -> dict[str, Any]:
    """The status file of a workload."""
    return json.loads((paths.statuses / f"{name}.json").read_text())


def content(paths: Paths) -> dict[Path, bytes]:
    """Everything that is written down, by its file."""
    return {path: path.read_bytes() for folder in (paths.state, paths.data) for path in folder.rglob("*.json")}


@contextlib.contextmanager
def proxy(
    *argv: str, port: int = 0, detached: bool = True, deaf: bool = False, program: str = "thv"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process whose command line is that of a proxy of ``thv``'s, and the port that it listens on.

    Args:
        argv: Its words after the program, such as ``start``, ``github``, ``--foreground``.
        port: Where it listens; 0 is any port.
        detached: Whether its environment says that it is one.
        deaf: Whether it goes on when it is told to end.
        program: Its first word.
    """
    # The interpreter takes what follows the program text as words of the program.
    words = [program, "-c", _PROXY.format(port=port, deaf=deaf), *argv]
    environment = {"PATH": os.environ["PATH"], "PYTHONHOME": sys.base_prefix}
    if detached:
        environment["TOOLHIVE_DETACHED"] = "1"
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    with subprocess.Popen(words, executable=interpreter, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()


class Deployment:
    """The containers and networks of one workload of ``thv``'s on an engine."""

    def __init__(self, engine: Engine, name: str, port: int, *, isolated: bool | None = True, **create: Any) -> None:
        """Make and start them.

        Args:
            engine: Where.
            name: The workload.
            port: What its labels say of the port of its proxy.
            isolated: Whether its network is isolated; None is so too, but no label says it.
            create: More of its container: ``labels`` to add, ``command``.
        """
        self.engine, self.name, self.isolated = engine, name, isolated is not False
        with contextlib.closing(engine.client()) as client:
            networks = ["toolhive-external"]
            self._network(client, networks[0], internal=False)
            if self.isolated:
                networks.insert(0, f"toolhive-{name}-internal")
                self._network(client, networks[0], internal=True)
            more = create.pop("labels", {})
            marks = {**labels(name, port, isolated=isolated), **more}
            self._container(client, name, networks[:1], marks, **create)
            for kind in SIDECARS if self.isolated else ():
                self._container(client, f"{name}-{kind}", networks, labels(f"{name}-{kind}", auxiliary=True))

    def states(self) -> dict[str, str]:
        """What each of its containers does, by its name."""
        with contextlib.closing(self.engine.client()) as client:
            return {
                each["Names"][0].lstrip("/"): each["State"].lower()
                for each in client.containers(all=True, filters={"label": "toolhive=true"})
            }

    def networks(self) -> set[str]:
        """The networks of ``thv``'s that are there."""
        with contextlib.closing(self.engine.client()) as client:
            return {each["Name"] for each in client.networks() if each["Name"].startswith("toolhive-")}

    def _network(self, client: Any, name: str, *, internal: bool) -> None:
        if not any(each["Name"] == name for each in client.networks(names=[name])):
            client.create_network(
                name, driver="bridge", internal=internal, labels={"toolhive": "true", "toolhive-name": name}
            )

    def _container(self, client: Any, name: str, networks: list[str], marks: dict[str, str], **create: Any) -> None:
        identity = client.create_container(
            self.engine.busybox,
            name=name,
            labels=marks,
            host_config=client.create_host_config(cap_drop=["ALL"], restart_policy={"Name": "unless-stopped"}),
            networking_config=client.create_networking_config({networks[0]: client.create_endpoint_config()}),
            **create,
        )["Id"]
        for network in networks[1:]:
            client.connect_container_to_network(identity, network)
        client.start(identity)
