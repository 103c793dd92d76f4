"""Free ports."""

from __future__ import annotations

import errno
import socket

import pytest

from workloads.runtimes.process import ports
from workloads.runtimes.process.ports import free_port, is_free


@pytest.fixture(params=[socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def taken(request):
    with socket.socket(socket.AF_INET, request.param) as holder:
        holder.bind(("127.0.0.1", 0))
        if request.param == socket.SOCK_STREAM:
            holder.listen()
        yield holder.getsockname()[1]


def test_s1_5_a_port_taken_for_tcp_or_for_udp_is_not_free(taken):
    assert not is_free(taken)


def test_s1_5_a_free_port_is_from_10000_to_65535_and_can_be_bound():
    port = free_port()
    assert 10_000 <= port <= 65_535
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_a_port_whose_last_connection_is_being_forgotten_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps the connection in TIME_WAIT
            assert client.recv(1) == b""
    assert is_free(port)


def test_s1_5_after_ten_tries_the_first_free_port_in_order_is_taken(monkeypatch):
    tried = []

    def only_10002(port, host):
        tried.append(port)
        return port == 10_002

    monkeypatch.setattr(ports, "is_free", only_10002)
    monkeypatch.setattr(ports.random, "choice", lambda ports: ports[-1])
    assert free_port() == 10_002
    assert tried == [65_535] * 10 + [10_000, 10_001, 10_002]


@pytest.mark.parametrize(
    ("limits", "lowest", "highest"),
    [
        ("32768\t60999\n", 10_000, 65_535),
        ("10000 60999", 61_000, 65_535),
        ("1 65535", 10_000, 65_535),
        ("?", 10_000, 65_535),
    ],
)
def test_a_port_is_none_of_those_of_outgoing_connections_where_others_are_left(tmp_path, limits, lowest, highest):
    file = tmp_path / "ip_local_port_range"
    file.write_text(limits)
    lasting = ports._without_ephemeral(file)
    assert (lasting[0], lasting[-1]) == (lowest, highest)
    assert 40_000 not in lasting or limits in ("1 65535", "?")


def test_no_free_port_at_all_is_an_error(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port, host: False)
    with pytest.raises(OSError, match="no port") as caught:
        free_port()
    assert caught.value.errno == errno.EADDRINUSE


def test_an_address_of_another_machine_is_an_error_and_not_a_taken_port():
    with pytest.raises(OSError, match="assign"):
        is_free(10_000, "192.0.2.1")


def test_ports_of_an_ipv6_address_are_looked_at():
    with socket.socket(socket.AF_INET6) as holder:
        try:
            holder.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 loopback: {error}")
        holder.listen()
        assert not is_free(holder.getsockname()[1], "::1")
