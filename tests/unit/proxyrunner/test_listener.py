"""The socket that clients connect to."""

from __future__ import annotations

import socket

from workloads.proxyrunner.listener import bind


def test_a_client_gets_the_body_of_an_answer_without_having_to_acknowledge_its_head():
    with bind("w", "127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()):
            listening.setblocking(True)
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
