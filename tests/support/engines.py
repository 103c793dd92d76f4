"""Private Docker and Podman engines, stopped by their pid; nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.support import firewall, images
from tests.support.engine_place import Place, claimed

from workloads.runtimes.ping import ping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("docker", "podman")
_OWN = frozenset({"bridge", "host", "none", "podman"})
_READY = 120.0
_REQUEST = 180.0

_DOCKER = """{{
  "deprecated-key-path": "{folder}/key.json"
}}
"""
_PODMAN_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/data"
runroot = "{folder}/run"
"""
# Limits, cgroups and the journal of the machine may be out of reach, and locks in shared memory are everybody's.
_PODMAN_CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
default_subnet = "{range}0.0/24"
default_subnet_pools = [{{"base" = "{range}0.0/16", "size" = 24}}]
"""
_PODMAN_NETWORK = """{{
  "name": "podman",
  "id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9",
  "driver": "bridge",
  "network_interface": "{bridge}",
  "created": "2026-01-01T00:00:00Z",
  "subnets": [{{"subnet": "{range}0.0/24", "gateway": "{range}0.1"}}],
  "ipv6_enabled": false,
  "internal": false,
  "dns_enabled": false,
  "ipam_options": {{"driver": "host-local"}}
}}
"""
# The network of an ordinary user's containers is a program that opens a tun device: on some machines only root may.
_ROOTLESS = """
for file in /etc/subuid /etc/subgid; do
  [ -e "$file" ] || touch "$file"
  mount --bind "$0/subids" "$file"
done
mknod -m 666 "$0/tun" c 10 200
mount --bind "$0/tun" /dev/net/tun
"""


class Engine:
    """One engine, which can be stopped, killed, and started again with what it had.

    Attributes:
        name: ``docker`` or ``podman``.
        variable: The variable that tells programs where it is.
        place: Where it lives.
    """

    name = ""
    variable = ""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process: subprocess.Popen[bytes] | None = None
        self._version = "auto"

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return f"{self.place.folder}/s"

    @property
    def url(self) -> str:
        """Its address, for ``DOCKER_HOST`` or ``CONTAINER_HOST``."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def client(self, timeout: float = _REQUEST) -> Any:
        """A low-level client of the test's own; close it.

        Args:
            timeout: Seconds for one answer.
        """
        import docker

        client = docker.APIClient(base_url=self.url, version=self._version, timeout=timeout)
        self._version = client.api_version  # asked once, for Podman takes a second to tell it
        return client

    @cached_property
    def busybox(self) -> str:
        """The image with a shell, a web server and the like, of 2 MB."""
        return self._imported(images.busybox())

    @cached_property
    def python(self) -> str:
        """The image that runs Python, with what MCP servers need; ``/servers`` are those of the tests."""
        return self._imported(images.python())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.place.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.place.inside(*self._command()),
                env={"PATH": os.environ["PATH"], "HOME": str(self.place.folder), **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY
        while not ping(self.url).engine:
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                told = log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"the {self.name} engine {'ended' if ended else 'is not ready'}: {told}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a machine that shuts down does; harmless when it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would: containers go on without it; harmless when it has ended."""
        self._end(signal.SIGKILL)

    def present(self) -> dict[str, dict[str, str]]:
        """What there is but images: containers, networks other than its own, and volumes; names by id."""
        with contextlib.closing(self.client()) as client:
            return {
                "container": {each["Id"]: each["Names"][0].lstrip("/") for each in client.containers(all=True)},
                "network": {each["Id"]: each["Name"] for each in client.networks() if each["Name"] not in _OWN},
                "volume": {each["Name"]: each["Name"] for each in client.volumes()["Volumes"] or ()},
            }

    def remove_new(self, before: dict[str, dict[str, str]]) -> list[str]:
        """Remove what was not there before, and tell what it was.

        Args:
            before: What there may be.
        """
        told: list[str] = []
        with contextlib.closing(self.client()) as client:
            for kind, found in self.present().items():
                for identity in found.keys() - before.get(kind, {}).keys():
                    told.append(f"{kind} {found[identity]}")
                    if kind == "container":
                        client.remove_container(identity, force=True, v=True)
                    elif kind == "network":
                        client.remove_network(identity)
                    else:
                        client.remove_volume(identity, force=True)
        return told

    def _imported(self, image: images.Image) -> str:
        with contextlib.closing(self.client()) as client:
            images.load(client, image)
        return image.name

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_READY)
            self.process = None

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}


class DockerEngine(Engine):
    """A Docker engine with a containerd of its own."""

    name = "docker"
    variable = "DOCKER_HOST"

    def prepare(self) -> None:
        """Make its bridge and its configuration."""
        bridge = self.place.bridge
        for words in (
            ("link", "add", bridge, "type", "bridge"),
            ("addr", "add", f"{self.place.range}0.1/24", "dev", bridge),
            ("link", "set", bridge, "up"),
        ):
            subprocess.run(["ip", *words], check=True, capture_output=True)
        (self.place.folder / "daemon.json").write_text(_DOCKER.format(folder=self.place.folder))

    def kill(self) -> None:
        """End it at once, as a crash would: containers go on without it; harmless when it has ended."""
        super().kill()
        # Its containerd dies with it. Where nobody waits for orphans, the next one would take the dead for the living.
        (self.place.folder / "run/containerd/containerd.pid").unlink(missing_ok=True)

    def _command(self) -> list[str]:
        folder = self.place.folder
        return [
            "dockerd",
            f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/run",
            f"--pidfile={folder}/pid",
            f"--host={self.url}",
            f"--bridge={self.place.bridge}",
            f"--default-address-pool=base={self.place.range}128.0/17,size=24",
            "--iptables=true",
            "--log-level=warn",
        ]  # fmt: skip


class PodmanEngine(Engine):
    """A Podman service, run by root."""

    name = "podman"
    variable = "CONTAINER_HOST"

    def prepare(self) -> None:
        """Write its configuration."""
        place = self.place
        words = {"folder": place.folder, "range": place.range, "bridge": place.bridge}
        (place.folder / "networks").mkdir()
        for name, text in (
            ("storage.conf", _PODMAN_STORAGE),
            ("containers.conf", _PODMAN_CONTAINERS),
            ("networks/podman.json", _PODMAN_NETWORK),
        ):
            (place.folder / name).write_text(text.format(**words))

    def _command(self) -> list[str]:
        return ["podman", "--log-level=warn", "system", "service", "--time=0", self.url]

    def _environment(self) -> dict[str, str]:
        folder = self.place.folder
        return {"CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf", "CONTAINERS_CONF": f"{folder}/containers.conf"}


class RootlessPodmanEngine(PodmanEngine):
    """A Podman service, run by an ordinary user."""

    user = 65534

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return self.place.folder / "home"

    @property
    def runtime_folder(self) -> Path:
        """Where the user's sockets are: ``XDG_RUNTIME_DIR``."""
        return self.place.folder / "u"

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return f"{self.runtime_folder}/podman/podman.sock"

    def prepare(self) -> None:
        """Write its configuration, and let the user have what it needs, in the eyes of this place only."""
        super().prepare()
        folder = self.place.folder
        folder.chmod(0o711)
        for path in (self.home, self.runtime_folder, self.runtime_folder / "podman", folder / "run", folder / "tmp"):
            path.mkdir(mode=0o700)
        for path in (*folder.glob("networks/*"), folder / "networks", self.home, folder / "run", folder / "tmp"):
            os.chown(path, self.user, self.user)
        for path in (self.runtime_folder, self.runtime_folder / "podman"):
            os.chown(path, self.user, self.user)
        storage = folder / "storage.conf"
        # Whether an ordinary user may mount an overlay depends on the kernel.
        storage.write_text(storage.read_text().replace("overlay", "vfs"))
        (folder / "subids").write_text(f"{pwd.getpwuid(self.user).pw_name}:200000:65536\n")
        subprocess.run(self.place.inside("sh", "-ec", _ROOTLESS, str(folder)), check=True, capture_output=True)

    def _command(self) -> list[str]:
        ids = f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"
        return ["env", f"--chdir={self.home}", "setpriv", *ids, *super()._command()]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime_folder)}


_KINDS = {"docker": DockerEngine, "podman": PodmanEngine, "rootless-podman": RootlessPodmanEngine}


@contextlib.contextmanager
def running(name: str, disk: int = 0) -> Iterator[Engine]:
    """A private engine that is ready, and gone afterwards with all it had.

    Args:
        name: ``docker``, ``podman`` or ``rootless-podman``.
        disk: The size in bytes of its disk; 0 for one of memory, as large as is needed.
    """
    before = firewall.rules()
    try:
        with claimed(disk) as place:
            engine = _KINDS[name](place)
            engine.prepare()
            engine.start()
            try:
                yield engine
            finally:
                if engine.process is not None:
                    engine.remove_new({})
                engine.stop()
    finally:
        firewall.restore(_KINDS[name].name, before)
