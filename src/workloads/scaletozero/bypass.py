"""Which requests do not count as use: health checks, tools of the same machine, bots."""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Bypass", "Request")


@attrs.frozen
class Request:
    """What a rule looks at.

    Attributes:
        peer: The address of whoever is connected; empty when there is none, as for a Unix socket.
        method: The method, in capitals.
        path: The path.
        user_agent: The header of that name; empty without one.
        forwarded_for: The header ``X-Forwarded-For``; empty without one.
    """

    peer: str = ""
    method: str = ""
    path: str = ""
    user_agent: str = ""
    forwarded_for: str = ""


def _networks(values: Sequence[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(value) for value in values)


def _tuple(values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"expected several texts, got the text {values!r}")
    return tuple(values)


@attrs.frozen(kw_only=True)
class Bypass:
    """Rules for requests that take no hold. One that matches is enough. Nothing matches by default.

    Attributes:
        loopback: Whether requests of this machine do. Behind a proxy on this machine every request is one of those.
        networks: Addresses and networks, such as ``10.0.0.0/8``, whose requests do.
        paths: Paths that do; one that ends with ``/`` means all below it.
        methods: Methods that do, in capitals.
        user_agents: Texts; a request whose ``User-Agent`` contains one does, whatever the case.
        trusted_proxies: How many proxies in front are trusted: so many entries of ``X-Forwarded-For`` are believed,
            from the right. 0 (the default) believes none.

    Raises:
        ValueError: A network is none, or the number of proxies is negative.

    Example:
        >>> rules = Bypass(paths=["/healthz"], networks=["10.0.0.0/8"])
        >>> rules.applies(Request(peer="203.0.113.7", method="GET", path="/healthz"))
        True
        >>> rules.applies(Request(peer="203.0.113.7", method="GET", path="/"))
        False
    """

    loopback: bool = False
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = attrs.field(default=(), converter=_networks)
    paths: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    methods: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    user_agents: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    trusted_proxies: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    def applies(self, request: Request) -> bool:
        """Whether a request takes no hold."""
        if request.method in self.methods or any(_is_at(request.path, path) for path in self.paths):
            return True
        agent = request.user_agent.lower()
        if agent and any(part.lower() in agent for part in self.user_agents):
            return True
        if not self.loopback and not self.networks:
            return False
        address = _address(self._client(request))
        if address is None:
            return False
        return (self.loopback and address.is_loopback) or any(address in network for network in self.networks)

    def _client(self, request: Request) -> str:
        """The address of the client, as far as the proxies in front are trusted."""
        if not self.trusted_proxies or not request.forwarded_for:
            return request.peer
        known = [entry.strip() for entry in request.forwarded_for.split(",")]
        return known[-min(self.trusted_proxies, len(known))]


def _is_at(path: str, rule: str) -> bool:
    return path == rule or (rule.endswith("/") and path.startswith(rule))


@functools.lru_cache(maxsize=1024)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
