"""Free ports on this machine."""

from __future__ import annotations

import errno
import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

__all__ = ("free_port", "is_free")

_LOWEST = 10_000
_HIGHEST = 65_535
_TRIES = 10
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(host: str = "127.0.0.1", *, taken: Container[int] = ()) -> int:
    """A port from 10000 to 65535 that nobody uses, for TCP or UDP: at random, then the first free one.

    At random it is none of those that the system gives to outgoing connections: such a port may be free now, and taken
    before a server that starts has come to listen on it.

    Args:
        host: The address it shall be free on.
        taken: Ports that were given away and may not be in use yet.

    Raises:
        OSError: The address is not one of this machine, or no port is free.
    """
    lasting = _without_ephemeral(_EPHEMERAL)
    for _ in range(_TRIES):
        port = random.choice(lasting)
        if port not in taken and is_free(port, host):
            return port
    for port in range(_LOWEST, _HIGHEST + 1):
        if port not in taken and is_free(port, host):
            return port
    raise OSError(errno.EADDRINUSE, f"no port from {_LOWEST} to {_HIGHEST} is free on {host}")


@cache
def _without_ephemeral(limits: Path) -> Sequence[int]:
    """The ports but those of outgoing connections; all where those are not known, or are all."""
    every = range(_LOWEST, _HIGHEST + 1)
    try:
        lowest, highest = map(int, limits.read_text().split())
    except (OSError, ValueError):
        return every
    return [port for port in every if not lowest <= port <= highest] or every


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
