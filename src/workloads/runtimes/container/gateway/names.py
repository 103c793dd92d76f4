"""Looking up names, and keeping only the addresses that may be connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

from workloads.runtimes.container.gateway.policy import ENGINE_NAMES, as_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TextIO

    from workloads.runtimes.container.gateway.policy import Address, Policy

__all__ = ("Resolver", "default_gateway", "look_up")

_TIMEOUT = 5.0


class Resolver:
    """Tells the addresses of a host, checked. They are connected to as they are: no name is looked up twice.

    Args:
        policy: What may be reached.
        look_up: Asks the system for the addresses of a name.
    """

    def __init__(self, policy: Policy, look_up: Callable[[str], Awaitable[list[Address]]]) -> None:
        """Nothing is looked up yet."""
        self._policy = policy
        self._look_up = look_up

    async def addresses(self, host: str) -> list[Address]:
        """The addresses of a host that may be connected to; none when it has none, or none of them may.

        Args:
            host: A canonical name or address, whose name is allowed.
        """
        if (literal := as_address(host)) is not None:
            found = [literal]
        elif host in ENGINE_NAMES:
            engine = as_address(self._policy.engine)
            return await self._look_up(host) or ([engine] if engine is not None else [])
        else:
            found = await self._look_up(host)
        return [address for address in found if self._policy.permits_address(address)]


async def look_up(name: str) -> list[Address]:
    """The addresses of a name, as the system knows them; none when it knows none, or does not answer in time.

    Args:
        name: A canonical name.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TIMEOUT):
            infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    found = (as_address(str(info[4][0]).partition("%")[0]) for info in infos)
    return list(dict.fromkeys(address for address in found if address is not None))


def default_gateway(routes: Iterable[str] | TextIO) -> str:
    """The address to which this container sends what goes elsewhere, which is the engine's machine; empty for none.

    Args:
        routes: The lines of ``/proc/net/route``.
    """
    for line in routes:
        fields = line.split()
        if len(fields) > 3 and fields[1] == "00000000" and fields[2] != "00000000":
            return str(ipaddress.IPv4Address(int(fields[2], 16).to_bytes(4, "little")))
    return ""
