"""Who may talk to the proxy: checks on the Host and Origin headers of every request, before anything else happens.

A page in a browser can send requests to a port on this machine. It cannot forge its Origin, and with a rebound DNS name
it sends that name as Host: so both are compared with what this proxy is called.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import attrs

from workloads.proxyrunner.jsonrpc import INVALID_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.proxyrunner.asgi import Headers

__all__ = ("Guard", "Verdict", "canonical_origin", "host_name", "is_loopback")

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([0-9]{1,5}))?/?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@attrs.frozen
class Verdict:
    """Why a request is refused.

    Attributes:
        status: The HTTP status.
        code: The JSON-RPC error code.
        message: The reason, for people.
    """

    status: int
    code: int
    message: str


_BAD_HOST = Verdict(421, INVALID_REQUEST, "Host not allowed")
# RFC 9112, section 3.2.
_NO_HOST = Verdict(400, INVALID_REQUEST, "There must be one Host, a name or address and perhaps a port")
_BAD_ORIGIN = Verdict(403, INVALID_REQUEST, "Origin not allowed")


class Guard:
    """Judges the headers of a request.

    Args:
        host: The address the proxy listens on, as configured.
        port: The port it listens on.
        loopback: Whether only this machine can reach it.
        hosts: More names under which clients reach it. Without any, a listener that others can reach accepts every
            Host, since nobody knows its names.
        origins: The origins allowed, exactly. Without any, a loopback listener allows its own, and any other listener
            checks none.
    """

    def __init__(
        self, *, host: str, port: int, loopback: bool, hosts: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> None:
        """Compose what is allowed."""
        names = {*(name.lower() for name in hosts)}
        self._hosts: frozenset[bytes] | None = None
        if loopback or names:
            names.update(_LOCAL, (f"[{host}]" if ":" in host else host.lower(),))
            self._hosts = frozenset(name.encode() for name in names)
        allowed = {canonical_origin(origin) for origin in origins}
        if loopback and not allowed:
            allowed = {canonical_origin(f"http://{name}:{port}") for name in _LOCAL}
        self._origins = frozenset(allowed) if allowed else None
        # Nearly all requests carry one of very few Host values: the first look is one set look-up.
        self._known = frozenset(b"%s:%d" % (name, port) for name in self._hosts or ())

    def judge(self, headers: Headers) -> Verdict | None:
        """Why this request is refused; None when it may pass."""
        host: bytes | None = None
        origin: bytes | None = None
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    return _NO_HOST
                host = value
            elif name == b"origin":
                if origin is not None:
                    return _BAD_ORIGIN
                origin = value
        if host is None:
            return _NO_HOST
        if host not in self._known:
            called = host_name(host)
            if called is None:
                return _NO_HOST
            if self._hosts is not None and called not in self._hosts:
                return _BAD_HOST
        if origin is not None and self._origins is not None and not self._is_allowed(origin):
            return _BAD_ORIGIN
        return None

    def _is_allowed(self, origin: bytes) -> bool:
        assert self._origins is not None
        return canonical_origin(origin.decode("latin-1")) in self._origins


def host_name(host: bytes) -> bytes | None:
    """The name in a Host header, in lower case and without its port; None when the header is malformed."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found else None


def canonical_origin(origin: str) -> str:
    """An origin in the one form in which browsers send it; what is no origin comes back as it is."""
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        return origin
    scheme, name, port = found.groups()
    shown = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{name}{shown}"


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener on this IP address or on ``localhost``."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
