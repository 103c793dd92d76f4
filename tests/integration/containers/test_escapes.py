"""What a confined server cannot do, tried for real from inside of one, and what it can do all the same."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.support.waiting import wait_until

from workloads import PermissionProfile, RunConfig
from workloads.config.permissions import NetworkPermissions, OutboundPermissions
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.runtimes.protocol import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import engines

OWNER = Owner(app="workloads", scope="e5cafe")
PORT = 8080
PROXY = ("127.0.0.1", 3128)

# What the attacks below have at hand.
TOOLS = """
import ctypes, errno, json, os, re, signal, socket, struct, sys, time, urllib.request
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    "The error of a system call; ok when it did what it was asked."
    done = getattr(libc, name)(*arguments)
    return "ok" if done >= 0 else errno.errorcode[ctypes.get_errno()]
def attempt(action):
    "The error of an action; ok when it was possible."
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))
    return "ok"
def connect(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(5)
        line.connect((host, port))
def through(said):
    with socket.create_connection(("127.0.0.1", 3128), 60) as line:
        line.sendall(said.encode() + b"\\r\\n\\r\\n")
        return line.recv(4096).decode().partition("\\r\\n")[0]
"""


@dataclass
class Box:
    """A server that runs confined.

    Attributes:
        engine: Where it runs.
        address: Where its port is reached from here.
        target: The address of another container, which it may reach at ``PORT``.
        neighbour: The address of a further one, which it may not reach.
    """

    engine: engines.Engine
    address: tuple[str, int]
    target: str
    neighbour: str

    def run(self, code: str, *, user: str = "") -> str:
        """What a program prints that runs in the container."""
        status, output = self.execute("python3", "-c", TOOLS + code, user=user)
        assert status == 0, output
        return output.strip()

    def direct(self, hosts: list[str], port: int) -> dict[str, str]:
        """What comes of connecting to hosts without the proxy."""
        code = f"print(json.dumps({{host: attempt(lambda: connect(host, {port})) for host in {hosts!r}}}))"
        return json.loads(self.run(code))

    def proxied(self, *said: str) -> dict[str, str]:
        """What the proxy answers to requests."""
        return json.loads(self.run(f"print(json.dumps({{each: through(each) for each in {said!r}}}))"))

    def written(self, *paths: str) -> dict[str, str]:
        """What comes of writing files."""
        code = f"print(json.dumps({{path: attempt(lambda: open(path, 'w').write('x')) for path in {paths!r}}}))"
        return json.loads(self.run(code))

    def execute(self, *command: str, user: str = "", container: str = "box") -> tuple[int, str]:
        """Exit code and output of a command in a container."""
        with contextlib.closing(self.engine.client()) as client:
            number = client.exec_create(container, list(command), user=user)["Id"]
            output = client.exec_start(number).decode(errors="replace")
            return client.exec_inspect(number)["ExitCode"], output

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine tells of a container."""
        with contextlib.closing(self.engine.client()) as client:
            return client.inspect_container(container)


# Starts a server and is gone, as a runner that was killed: what looks after a server is no thread of the tests.
RUNNER = """
import json, os, sys
from pathlib import Path
from workloads import RunConfig
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.runtime import ContainerRuntime
from workloads.runtimes.protocol import Owner
name, url, scope, folder = sys.argv[1:]
runtime = ContainerRuntime(Engine(name, url), Owner(app="workloads", scope=scope))
config = RunConfig.from_json(sys.stdin.read())
folder = Path(folder)
replica = runtime.start_replica(config, 0, secrets={}, log=folder / "log" / config.name, folder=folder)
print(json.dumps(replica.address), flush=True)
os._exit(0)
"""


@contextlib.contextmanager
def server(engine: engines.Engine, config: RunConfig, folder: Path) -> Iterator[tuple[str, int]]:
    """A server that runs; gives where its port leads."""
    command = [sys.executable, "-c", RUNNER, engine.name, engine.url, OWNER.scope, str(folder)]
    try:
        done = subprocess.run(command, input=config.to_json(), check=True, capture_output=True, text=True)
        address = tuple(json.loads(done.stdout))
        wait_until(lambda: serves(address), timeout=120)
        yield address
    finally:
        with contextlib.closing(ContainerRuntime(Engine(engine.name, engine.url), OWNER)) as runtime:
            runtime.remove(config.name)


def serves(address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen("http://{}:{}/".format(*address), timeout=5) as response:
        return bool(response.status == 200)
    return False


def config_of(name: str, image: str, *, bind: str = "0.0.0.0", **fields: Any) -> RunConfig:
    """A web server; its container is named as the workload."""
    command = ("python3", "-m", "http.server", str(PORT), "--bind", bind, "--directory", "/servers")
    return RunConfig(
        name=name, container_name=name, image=image, transport="streamable-http", command=command, **fields
    )


def address_of(client: Any, identity: str) -> str:
    (network,) = client.inspect_container(identity)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


@pytest.fixture(scope="module")
def box(each_engine: engines.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """An isolated server with one mount to read and one to write, which may reach one other container at one port."""
    shared = tmp_path_factory.mktemp("shared")
    for name in ("read", "write"):
        (shared / name).mkdir()
        (shared / name / "file").write_text("kept")
    folder, image = tmp_path_factory.mktemp("servers"), each_engine.python
    with contextlib.ExitStack() as stack:
        with contextlib.closing(each_engine.client()) as client:
            for name in ("target", "neighbour"):
                stack.enter_context(server(each_engine, config_of(name, image), folder))
            target, neighbour = (address_of(client, name) for name in ("target", "neighbour"))
        outbound = OutboundPermissions(allow_host=(target, "target", "allowed.example"), allow_port=(PORT,))
        profile = PermissionProfile(
            read=(f"{shared}/read:/data/read",),
            write=(f"{shared}/write:/data/write",),
            network=NetworkPermissions(outbound=outbound),
        )
        limits = {"memory": "96m", "pids": 48, "isolate_network": True, "permission_profile": profile}
        address = stack.enter_context(server(each_engine, config_of("box", image, bind="127.0.0.1", **limits), folder))
        box = Box(each_engine, address, target, neighbour)
        # Podman's own resolver may take some seconds to hear of a new container.
        wait_until(lambda: box.execute("python3", "-c", "import socket; socket.gethostbyname('target')")[0] == 0)
        yield box


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that is open on every address, of both families."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        yield listening.getsockname()[1]


def addresses_here() -> list[str]:
    """Every IPv4 address of this machine, those of the engines' bridges included, and what engines call it."""
    found = [
        each.address for group in psutil.net_if_addrs().values() for each in group if each.family == socket.AF_INET
    ]
    return [*found, "0.0.0.0"]


def test_it_serves_this_machine(box):
    assert serves(box.address)


@pytest.mark.parametrize("host", ["address", "name"])
def test_what_is_allowed_is_reached_through_the_proxy_that_its_environment_names(box, host):
    target = box.target if host == "address" else "target"
    code = f"print(urllib.request.urlopen('http://{target}:{PORT}/', timeout=60).status)"
    assert box.run(code) == "200"
    assert box.run(f"print(through('CONNECT {target}:{PORT} HTTP/1.1'))") == "HTTP/1.1 200 Connection established"


def test_a_name_that_is_allowed_has_an_address(box):
    assert box.run("print(socket.gethostbyname('target'))") == box.target


def test_it_has_a_network_with_loopback_and_nothing_else(box):
    assert box.run("print(*os.listdir('/sys/class/net'))") == "lo"
    assert box.run("print(open('/proc/net/route').read().count(chr(10)))") == "1"


def test_a_name_that_is_not_allowed_is_not_looked_up(box):
    code = "\n".join(
        f"print(attempt(lambda: socket.getaddrinfo({name!r}, 80)))"
        for name in ("neighbour", "secret-data.other.example", "host.docker.internal")
    )
    failed = f"{socket.EAI_NONAME} "
    assert all(f"({failed.strip()}," in line for line in box.run(code).splitlines()), box.run(code)


@pytest.mark.parametrize("resolver", ["8.8.8.8", "127.0.0.11", "gateway"])
def test_no_other_resolver_answers(box, resolver):
    host = box.target.rpartition(".")[0] + ".1" if resolver == "gateway" else resolver
    code = f"""
query = struct.pack("!6H", 1, 256, 1, 0, 0, 0) + b"\\7example\\3com\\0" + struct.pack("!2H", 1, 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.settimeout(1)
    def ask():
        line.connect(({host!r}, 53))
        line.send(query)
        line.recv(512)
    print(attempt(ask))
"""
    assert box.run(code) in ("ENETUNREACH", "ECONNREFUSED")


def test_not_even_what_is_allowed_is_reached_around_the_proxy(box):
    for host, told in box.direct([box.target, box.neighbour, "93.184.215.14"], PORT).items():
        assert told == "ENETUNREACH", host


def test_nothing_else_is_reached_through_the_proxy(box):
    told = box.proxied(
        f"CONNECT {box.neighbour}:{PORT} HTTP/1.1",
        f"CONNECT neighbour:{PORT} HTTP/1.1",
        f"CONNECT {box.target}:{PORT + 1} HTTP/1.1",
        f"GET http://{box.neighbour}:{PORT}/ HTTP/1.1",
        f"CONNECT localhost:{PORT} HTTP/1.1",
        f"CONNECT 127.0.0.1:{PORT} HTTP/1.1",
        f"CONNECT [::ffff:{box.neighbour}]:{PORT} HTTP/1.1",
    )
    assert set(told.values()) == {"HTTP/1.1 403 Forbidden"}, told


def test_no_metadata_service_is_reached(box):
    hosts = ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200"]
    assert set(box.direct(hosts, 80).values()) == {"ENETUNREACH"}
    told = box.proxied(*(f"GET http://{host}/latest/meta-data/ HTTP/1.1" for host in hosts))
    assert set(told.values()) == {"HTTP/1.1 403 Forbidden"}, told


def test_this_machine_is_not_reached(box, listener):
    told = box.direct([*addresses_here(), "::1", "fe80::1", "ff02::1", "fd00::2"], listener)
    assert set(told.values()) <= {"ENETUNREACH", "ECONNREFUSED", "EADDRNOTAVAIL", "EINVAL"}, told
    names = ["host.docker.internal", "gateway.docker.internal", "host.containers.internal", "[fd00::2]"]
    told = box.proxied(*(f"CONNECT {host}:{listener} HTTP/1.1" for host in [*addresses_here(), *names]))
    assert set(told.values()) == {"HTTP/1.1 403 Forbidden"}, told


def test_it_is_not_reached_by_another_workload(box):
    """The way in is for this machine alone: a container on the same network is turned away."""
    ingress = box.inspect("box-egress")["NetworkSettings"]["Networks"]
    (network,) = ingress.values()
    code = f"""
import socket
with socket.create_connection(({network["IPAddress"]!r}, {PORT}), 60) as line:
    line.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    try:
        print(line.recv(100))
    except ConnectionResetError:
        print(b"")
"""
    assert box.execute("python3", "-c", code, container="neighbour") == (0, "b''\n")


def test_it_writes_its_mounts_and_scratch_space(box):
    told = box.written("/data/write/new", "/tmp/new", "/run/new", "/var/tmp/new")
    assert set(told.values()) == {"ok"}, told


def test_it_writes_nothing_else(box):
    told = box.written(
        "/new", "/usr/new", "/etc/passwd", "/root/new", "/servers/new", "/data/new", "/data/read/new",
        "/data/read/file", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/new",
    )  # fmt: skip
    assert set(told.values()) <= {"EROFS", "EACCES", "EPERM", "ENOENT"}, told


def test_it_has_no_rights_and_gains_none(box):
    status = dict(
        line.split(":\t", 1) for line in box.run("print(open('/proc/1/status').read())").splitlines() if ":\t" in line
    )
    assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_a_setuid_program_gains_nothing(box):
    copied = "import shutil; shutil.copy('/bin/busybox', '/tmp/id'); os.chmod('/tmp/id', 0o4755)"
    box.run(copied)
    assert box.execute("/tmp/id", "-u", user="1000:1000") == (0, "1000\n")


def test_what_needs_a_right_fails(box):
    attacks = (
        "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        "call('mount', b'none', b'/', None, 32 | 4096, None)",
        "call('umount2', b'/proc', 2)",
        "call('unshare', 0x00020000)",
        "call('unshare', 0x40000000)",
        "call('setns', os.open('/proc/self/ns/net', 0), 0)",
        "call('chroot', b'/tmp')",
        "call('reboot', 0x89ABCDEF)",
        "call('sethostname', b'x', 1)",
        "call('setuid', 1000)",
        "call('syscall', 321, 5, None, 0)",
        "attempt(lambda: os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0)))",
        "attempt(lambda: os.mknod('/tmp/memory', 0o20600, os.makedev(1, 1)))",
        "attempt(lambda: os.chown('/tmp', 1000, 1000))",
        "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))",
        "attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
        "call('unshare', 0x10000000) and attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
    )
    told = json.loads(box.run(f"print(json.dumps({{text: eval(text) for text in {attacks!r}}}))"))
    assert set(told.values()) <= {"EPERM", "EACCES", "ENOSYS", "EINVAL"}, told


def test_it_sees_and_stops_no_process_but_its_own(box):
    programs = box.run("print(*(open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()))")
    assert "gateway" not in programs
    assert "dockerd" not in programs
    assert "systemd" not in programs
    # PTRACE_ATTACH: only to its own, of which there are few. The first process of the machine has another number here.
    assert box.run("print(call('ptrace', 16, 99999, None, None))") in ("EPERM", "ESRCH")


def test_a_fork_bomb_ends_at_its_limit(box):
    code = """
forked = []
try:
    while len(forked) < 500:
        forked.append(os.fork())
        if not forked[-1]:
            time.sleep(60)
except BlockingIOError:
    print(len(forked))
finally:
    for each in forked:
        os.kill(each, signal.SIGKILL)
"""
    assert 0 < int(box.run(code)) < 48


def test_memory_ends_at_its_limit(box):
    status, output = box.execute("python3", "-c", "kept = bytearray(300 * 2**20); print('got it')")
    assert status
    assert "got it" not in output


def test_its_gateway_is_confined_too(box):
    for name in ("box-egress", "box-ingress"):
        told = box.inspect(name)
        host = told["HostConfig"]
        assert told["Config"]["User"] == "65532:65532"
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert host["PidsLimit"] == 64
        assert host["Memory"] == 2**27
        assert [mount["Destination"] for mount in told["Mounts"]] == ["/run/gateway"]
        pid = told["State"]["Pid"]
        assert json.dumps(host.get("SecurityOpt")) == '["no-new-privileges"]'
        assert pid


def test_privileged_is_only_what_a_profile_asks_for(box):
    assert not box.inspect("box")["HostConfig"]["Privileged"]
