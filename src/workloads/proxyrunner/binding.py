"""Taking the address that clients connect to."""

from __future__ import annotations

import errno
import socket

from workloads.errors import PortInUseError, WorkloadFailedError

__all__ = ("BACKLOG", "bind")

BACKLOG = 2048
"""How many clients may wait to be accepted."""


def bind(name: str, host: str, port: int) -> socket.socket:
    """Bind a socket for a workload's proxy. May look a name up, so it may block.

    Args:
        name: The workload, for errors.
        host: An IP address, or a name that has one.
        port: The port; 0 takes a free one.

    Raises:
        PortInUseError: The port is taken.
        WorkloadFailedError: The address cannot be listened on.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of the addresses of a name such as localhost IPv4 comes first: that is what most clients try.
        family, _, _, _, address = min(found, key=lambda item: item[0] is not socket.AF_INET)
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from None
        reason = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise WorkloadFailedError(name, reason) from error
    # Connections inherit it. Else the body of an answer waits until the client has acknowledged its head, some 40 ms:
    # the loop sees to that only for sockets that were made with the number of the protocol.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening
