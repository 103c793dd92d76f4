"""A server that runs elsewhere: where it is, and what a request for it must be like. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import attrs

from workloads.errors import Problem, RunConfigError
from workloads.model import TransportType
from workloads.proxyrunner.address import ReplicaAddress
from workloads.proxyrunner.jsonrpc import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from urllib.parse import SplitResult

    from workloads.config import RunConfig

__all__ = (
    "FORBIDDEN_VALUE", "MIDDLEWARE", "PORTS",
    "Remote", "declared_headers", "forwarding_middlewares", "onward",
)  # fmt: skip

PORTS = {"http": 80, "https": 443}
"""The schemes of a remote server, and their usual ports."""

# Where clients go that were not told the path of the remote server.
_USUAL = {TransportType.STREAMABLE_HTTP: (b"/", b"/mcp"), TransportType.SSE: (b"/", b"/sse")}

FORBIDDEN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]|^\s|\s$")
"""Finds what no value of a header may have, or begin or end with (RFC 9110, section 5.5)."""

MIDDLEWARE = "header-forward"
"""The type of middleware that adds headers."""


@attrs.frozen
class Remote:
    """A server that runs elsewhere.

    Attributes:
        address: Where it listens.
        path: The path of its endpoint; empty when it has none in particular.
        query: What every request has in its query.
        usual: Paths that stand for that of the endpoint.
        headers: What every request has in its headers, whatever the client sent there.
        pending: Headers whose value no run config holds, and that are still to be given.
    """

    address: ReplicaAddress
    path: bytes
    query: bytes
    usual: tuple[bytes, ...]
    headers: tuple[tuple[bytes, bytes], ...] = attrs.field(default=(), repr=False)
    pending: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: RunConfig) -> Remote | None:
        """The remote server of a run config that has no problem; None when it has none.

        Args:
            config: The run config.
        """
        if not config.remote_url:
            return None
        parts = urlsplit(config.remote_url)
        path = parts.path.encode()
        forwarded = config.header_forward
        return cls(
            _address(parts),
            path if path != b"/" else b"",
            parts.query.encode(),
            _USUAL[config.transport],
            _encoded({name: value for _, name, value in declared_headers(config) if isinstance(value, str)}),
            () if forwarded is None else tuple(forwarded.add_headers_from_secret),
        )

    def given(self, headers: Mapping[str, str]) -> Remote:
        """This server, now that the values are known which no run config holds.

        Args:
            headers: Names and values.

        Raises:
            RunConfigError: One is missing, or can be no header; no value is shown.
        """
        known = {name.lower(): value for name, value in headers.items()}
        problems: list[Problem] = []
        for name in self.pending:
            path, value = f"header_forward.add_headers_from_secret.{name}", known.get(name.lower())
            if value is None:
                problems.append(Problem(path, "its value was not given"))
            elif FORBIDDEN_VALUE.search(value):
                problems.append(Problem(path, "the value of the secret cannot be that of a header"))
        if problems:
            raise RunConfigError(problems)
        ours = _encoded({name: known[name.lower()] for name in self.pending})
        return attrs.evolve(self, headers=(*self.headers, *ours), pending=())

    def target(self, asked: bytes) -> bytes:
        """Path and query for the server.

        Args:
            asked: Path and query as the client sent them.
        """
        path, _, query = asked.partition(b"?")
        if self.path and path in self.usual:
            path = self.path
        both = b"&".join(filter(None, (self.query, query)))
        return b"%s?%s" % (path, both) if both else path

    def dressed(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers for the server.

        Args:
            headers: As they would go out, names in lower case.
        """
        ours = {name for name, _ in self.headers}
        return [*(item for item in headers if item[0] not in ours), *self.headers]


def onward(address: ReplicaAddress, target: bytes, location: bytes) -> tuple[ReplicaAddress, bytes] | None:
    """Where a redirect leads that may be followed: on the same host, and never from TLS to none.

    Args:
        address: The server that redirects.
        target: Path and query that were asked for.
        location: Where it redirects to.

    Returns:
        The server, and path and query; None when it leads elsewhere.
    """
    try:
        parts = urlsplit(urljoin(f"{address.url}{target.decode('latin-1')}", location.decode("ascii")))
        if parts.scheme not in PORTS or not parts.hostname:
            return None
        there = _address(parts)
    except ValueError:
        return None
    usual = (PORTS["https" if address.tls else "http"], PORTS[parts.scheme])
    same = there.host == address.host and (there.port == address.port or (address.port, there.port) == usual)
    if not same or (address.tls and not there.tls):
        return None
    path = (parts.path or "/").encode()
    return (address if there == address else there), b"%s?%s" % (path, parts.query.encode()) if parts.query else path


def declared_headers(config: RunConfig, *, secrets: bool = False) -> Iterator[tuple[str, Any, Any]]:
    """Every header that is added: where that is said, its name, and its value, or the name of its secret."""
    for key, parameters in forwarding_middlewares(config):
        for name, value in members(members(parameters).get("add_headers")).items():
            yield f"{key}.parameters.add_headers.{name}", name, value
    forwarded = config.header_forward
    if forwarded is not None:
        for name, value in forwarded.add_plaintext_headers.items():
            yield f"header_forward.add_plaintext_headers.{name}", name, value
        for name, secret in forwarded.add_headers_from_secret.items() if secrets else ():
            yield f"header_forward.add_headers_from_secret.{name}", name, secret


def forwarding_middlewares(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """Every middleware that adds headers: where it is, and its parameters."""
    for key in ("middleware_configs", "additional_middleware_configs"):
        for index, middleware in enumerate(getattr(config, key)):
            if middleware.type == MIDDLEWARE:
                yield f"{key}[{index}]", middleware.parameters


def _address(parts: SplitResult) -> ReplicaAddress:
    return ReplicaAddress(parts.hostname or "", parts.port or PORTS[parts.scheme], parts.scheme == "https")


def _encoded(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items())
