"""The requests that a proxy gets (RFC 9110, RFC 9112): ``CONNECT``, and requests with the whole URL. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from workloads.runtimes.container.gateway.policy import canonical

__all__ = ("MAX_HEAD", "Refusal", "Target", "host_of", "only_one", "parse")

MAX_HEAD = 64 * 1024
"""Bytes that the head of a request may have."""

_LINE = re.compile(rb"([A-Z]{1,32}) ([!-~]+) HTTP/1\.[01]")
_LINE_ENDS = (b"\n", b"\r", b"\0")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(?::([0-9]{1,5}))?")
_HOP_BY_HOP = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade", b"host")
_PHRASES = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway"}
_HTTP_PORT = 80
_MAX_PORT = 65535


class Refusal(Exception):  # noqa: N818  # an answer, more than an error
    """A request that is not served.

    Attributes:
        status: The HTTP status.
        reason: Why, for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)

    def response(self) -> bytes:
        """The answer that says so."""
        body = f"{self.reason}\n".encode()
        head = f"HTTP/1.1 {self.status} {_PHRASES[self.status]}\r\nContent-Type: text/plain\r\n"
        return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii") + body


class Target(NamedTuple):
    """Where a request leads.

    Attributes:
        host: The canonical name or address.
        port: The port.
        head: What to send there first; None for a tunnel, where the client's bytes come first.
    """

    host: str
    port: int
    head: bytes | None


def parse(head: bytes) -> Target:
    """Read the head of a request, with the empty line after it.

    Args:
        head: The bytes of it.

    Raises:
        Refusal: It is not a request to a proxy.
    """
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(mark in field for field in fields for mark in _LINE_ENDS):
        raise Refusal(400, "a header has a line end inside")
    if (match := _LINE.fullmatch(line)) is None:
        raise Refusal(400, "not a request of HTTP/1.1")
    method, target = match[1], match[2].decode("ascii")
    if method == b"CONNECT":
        host, port = _authority(target)
        if port is None:
            raise Refusal(400, "CONNECT needs a port")
        return Target(host, port, None)
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() != "http":
        raise Refusal(400, "a proxy takes CONNECT HOST:PORT and http:// URLs")
    before, mark, query = rest.partition("?")
    authority, _, path = before.partition("/")
    path += mark + query
    host, port = _authority(authority)
    kept = [field for field in fields if _name(field) not in _HOP_BY_HOP]
    # One request for each connection: what is read of the next would not be looked at.
    lines = [b"%s /%s HTTP/1.1" % (method, path.encode("ascii")), b"Host: " + authority.encode("ascii"), *kept]
    return Target(host, port or _HTTP_PORT, b"\r\n".join([*lines, b"Connection: close", b"", b""]))


def host_of(head: bytes) -> str:
    """The host that a request to a server names.

    Args:
        head: The head of the request.

    Raises:
        Refusal: It names none or several, or a server may find another request or host in it.
    """
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if any(mark in each for each in (line, *fields) for mark in _LINE_ENDS):
        raise Refusal(400, "a line of the head has a line end inside")
    # The host of a whole URL would count, and not the header's (RFC 9112, section 3.2.2).
    if (match := _LINE.fullmatch(line)) is None or not match[2].startswith((b"/", b"*")):
        raise Refusal(400, "a request to a server names a path")
    hosts = [field.partition(b":")[2].strip() for field in fields if _name(field) == b"host"]
    if len(hosts) != 1 or not hosts[0].isascii():
        raise Refusal(400, "a request names one host")
    return _authority(hosts[0].decode("ascii"))[0]


def only_one(head: bytes) -> bytes:
    """The head of a request as the only one of its connection: what comes after it would not be looked at.

    Args:
        head: The head of the request.
    """
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [field for field in fields if _name(field) not in (b"connection", b"keep-alive")]
    return b"\r\n".join([line, *kept, b"Connection: close", b"", b""])


def _authority(text: str) -> tuple[str, int | None]:
    if (match := _AUTHORITY.fullmatch(text)) is None:
        raise Refusal(400, "not HOST:PORT")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port <= _MAX_PORT:
        raise Refusal(400, "no such port")
    try:
        return canonical(match[1]), port
    except ValueError as error:
        raise Refusal(400, str(error)) from error


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()
