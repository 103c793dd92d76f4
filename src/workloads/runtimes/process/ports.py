"""Free ports on this machine."""

from __future__ import annotations

import errno
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ("free_port", "is_free")

_LOWEST = 10_000
_HIGHEST = 65_535
_TRIES = 10


def free_port(host: str = "127.0.0.1", *, taken: Container[int] = ()) -> int:
    """A port from 10000 to 65535 that nobody uses, for TCP or UDP: at random, then the first free one.

    Args:
        host: The address it shall be free on.
        taken: Ports that were given away and may not be in use yet.

    Raises:
        OSError: The address is not one of this machine, or no port is free.
    """
    for _ in range(_TRIES):
        port = random.randint(_LOWEST, _HIGHEST)
        if port not in taken and is_free(port, host):
            return port
    for port in range(_LOWEST, _HIGHEST + 1):
        if port not in taken and is_free(port, host):
            return port
    raise OSError(errno.EADDRINUSE, f"no port from {_LOWEST} to {_HIGHEST} is free on {host}")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether both TCP and UDP can be bound to a port.

    Args:
        port: The port.
        host: The address.

    Raises:
        OSError: The address is not one of this machine.
    """
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # As servers do: connections that are only waiting to be forgotten do not take the port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise
    return True
