"""What may be reached: names, ports and addresses. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

__all__ = ("ENGINE_NAMES", "Policy", "as_address", "canonical", "is_public", "matches")

ENGINE_NAMES = frozenset({"host.docker.internal", "gateway.docker.internal", "host.containers.internal"})
"""What engines call the machine they run on."""

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_LONGEST_NAME = 253
# The metadata service of one cloud has an address like any other.
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
# Of IANA's special-purpose addresses, those that older versions of Python take for public.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20")))
# Of IPv6 only this is given out (IANA, "Internet Protocol Version 6 Address Space"). Python takes more for public, such
# as fec0::/10, which was for sites, and 200::/7, which private overlays use.
_GIVEN_OUT = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Policy(NamedTuple):
    """What a server may connect to.

    Attributes:
        allow_all: Every public host; the two lists mean nothing then.
        hosts: Names and addresses; a leading dot also allows every subdomain. Empty is every public host when there are
            ports, else none.
        ports: Port numbers; empty is every port.
        engine_host: Whether the machine that the engine runs on may be reached by the names that engines have for it.
        engine: The address at which the container finds that machine; empty when there is none.
        refused: Further addresses of that machine, which never may be reached.
    """

    allow_all: bool = False
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    engine_host: bool = False
    engine: str = ""
    refused: tuple[str, ...] = ()

    def permits(self, host: str, port: int) -> bool:
        """Whether there may be connections to a host and port, as far as names tell.

        Args:
            host: A canonical name or address.
            port: A port number.
        """
        return self.permits_name(host) and (self.allow_all or not self.ports or port in self.ports)

    def permits_name(self, host: str) -> bool:
        """Whether a host may be looked up.

        Args:
            host: A canonical name or address.
        """
        if host in ENGINE_NAMES or host == self.engine:
            return self.engine_host
        if self.allow_all or (self.ports and not self.hosts):
            return True
        return any(matches(host, allowed) for allowed in self.hosts)

    def permits_address(self, address: Address) -> bool:
        """Whether an address that a name led to may be connected to.

        A public one may. A private one may when it is itself among the hosts: a name is not enough, for it may lead to
        another address tomorrow. Loopback, link-local and metadata addresses never may.

        Args:
            address: The address.
        """
        address = _unwrapped(address)
        if str(address) == self.engine:
            return self.engine_host
        if address in _METADATA or any(address == as_address(refused) for refused in self.refused):
            return False
        if is_public(address):
            return True
        never = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
        return not never and any(address == as_address(allowed) for allowed in self.hosts)


def canonical(host: str) -> str:
    """A host in the one spelling in which hosts are compared.

    Args:
        host: A name, perhaps with a dot at its end, or an address, perhaps in brackets.

    Raises:
        ValueError: It is neither.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if (address := as_address(bare)) is not None:
        return str(address)
    name = host.lower().removesuffix(".")
    if len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise ValueError("not a host name or address")
    return name


def as_address(text: str) -> Address | None:
    """The address that a text is; None when it is none."""
    try:
        return _unwrapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet, and not to a network or machine nearby."""
    address = _unwrapped(address)
    special = address in _METADATA or any(address in network for network in _SPECIAL)
    special = special or (address.version == 6 and address not in _GIVEN_OUT)
    return address.is_global and not address.is_multicast and not special


def matches(host: str, allowed: str) -> bool:
    """Whether a host is the one that a list names.

    Args:
        host: A canonical name or address.
        allowed: What the list has; with a leading dot it also names every subdomain.
    """
    if (address := as_address(allowed)) is not None:
        return as_address(host) == address
    allowed = allowed.lower().removesuffix(".")
    if allowed.startswith("."):
        return host == allowed[1:] or host.endswith(allowed)
    return host == allowed


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := address.ipv4_mapped or address.sixtofour) is not None:
            return inner
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
