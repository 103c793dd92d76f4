"""The engines and images that the tests of containers use."""

from __future__ import annotations

import contextlib
import urllib.request

import psutil
import pytest
from tests.support import engines, firewall, leaks
from tests.support.waiting import wait_until


@pytest.fixture
def client(engine):
    with contextlib.closing(engine.client()) as client:
        yield client


@contextlib.contextmanager
def container(client, image, command, **host):
    identity = client.create_container(
        image, command=command, ports=[8080], host_config=client.create_host_config(**host)
    )["Id"]
    try:
        client.start(identity)
        yield identity
    finally:
        client.remove_container(identity, force=True)


def test_a_container_of_the_small_image_is_reached_from_here_and_ends_when_told(engine, client):
    with container(client, engine.busybox, ["web"], port_bindings={8080: ("127.0.0.1", None)}) as identity:
        port = client.inspect_container(identity)["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]

        def answers() -> bool:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response,
            ):
                return response.read() == b"ok\n"
            return False

        wait_until(answers, timeout=120)
        client.stop(identity, timeout=120)
        assert client.inspect_container(identity)["State"]["ExitCode"] == 0


def test_the_small_image_idles_until_it_is_told_to_end(engine, client):
    with container(client, engine.busybox, None) as identity:
        client.stop(identity, timeout=120)
        assert client.inspect_container(identity)["State"]["ExitCode"] == 0


def test_the_python_image_has_what_servers_import_whoever_runs_it(engine, client):
    program = "import fastmcp, mcp, sqlite3, ssl, uvloop; open('/servers/sdk_server.py').close()"
    command = ["sh", "-c", f'su -s /bin/sh nobody -c "$0 -c \\"{program}\\"" && python -c "{program}"', "python"]
    with container(client, engine.python, command) as identity:
        assert client.wait(identity)["StatusCode"] == 0, client.logs(identity).decode()


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.needs(name)) for name in engines.NAMES])
def test_nothing_of_an_engine_is_left(name):
    rules = firewall.rules()
    with engines.running(name) as engine, contextlib.closing(engine.client()) as client:
        folder = engine.place.folder
        network = client.create_network("left", driver="bridge")["Id"]
        identity = client.create_container(
            engine.busybox,
            name="left",
            host_config=client.create_host_config(port_bindings={8080: ("127.0.0.1", None)}),
            networking_config=client.create_networking_config({"left": client.create_endpoint_config()}),
        )["Id"]
        client.start(identity)
        assert engine.place.interfaces()
        assert network
        client.close()
        engine.kill()
        engine.start()
        assert set(engine.present()["container"]) == {identity}
    assert not folder.exists()
    assert not leaks.strays(folder)
    assert not engine.place.interfaces()
    assert not any(str(folder) in mount.mountpoint for mount in psutil.disk_partitions(all=True))
    mine = (engine.place.bridge, f" {engine.place.range}")
    left = [line for lines in firewall.rules().values() for line in lines if any(mark in line for mark in mine)]
    assert not left, rules
