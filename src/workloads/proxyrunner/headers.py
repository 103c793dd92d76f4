"""What a proxy changes in headers, and what it reads from them. Pure: headers in, headers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.proxyrunner.asgi import Headers

__all__ = ("LEGACY_VERSIONS", "RequestHead", "forwarded", "read_request", "response_headers")

LEGACY_VERSIONS = frozenset({b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"})
"""The protocol versions that begin with ``initialize`` and may have sessions."""

# They speak of one connection, and each side of the proxy has its own (RFC 9110, section 7.6.1). The body has been read
# when a request goes on, so there is nothing left to expect either.
_HOP = frozenset({
    b"connection", b"expect", b"host", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
_FORWARDING = frozenset({b"forwarded", b"x-real-ip"})
_ONCE = frozenset({b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id"})
_BODILESS = frozenset({204, 304})
_VISIBLE = bytes(range(0x21, 0x7F))
# What a header is to a request, by its name: one look-up tells, for nearly all of them nothing.
_KINDS = {
    **dict.fromkeys(_HOP, "hop"),
    **dict.fromkeys(_ONCE, "once"),
    **dict.fromkeys(_FORWARDING, "forwarding"),
    b"origin": "origin",
}


@attrs.define
class RequestHead:
    """What a proxy wants to know of a request's headers.

    Attributes:
        kept: The headers that go on to the server.
        host: The Host header.
        version: The ``MCP-Protocol-Version``, if there is one.
        mcp_method: The ``Mcp-Method``, if there is one.
        session: The ``Mcp-Session-Id`` that goes on, if there is one.
        names_session: Whether there is one, even if it does not go on.
        modern: Whether it claims a protocol version that has no sessions. An unknown one counts as such.
        problem: Why the headers are ambiguous; empty when they are not.
    """

    kept: list[tuple[bytes, bytes]]
    host: bytes = b""
    version: bytes | None = None
    mcp_method: bytes | None = None
    session: bytes | None = None
    names_session: bool = False
    modern: bool = False
    problem: str = ""


def read_request(headers: Headers, *, trust_forwarded: bool = False) -> RequestHead:
    """Read the headers of a request and choose those that go on.

    Args:
        headers: As received, names in lower case.
        trust_forwarded: Keep what earlier proxies said of the client.
    """
    head = RequestHead([])
    kept = head.kept
    connection: list[bytes] = []
    origin: bytes | None = None
    once: dict[bytes, bytes] = {}
    for item in headers:
        name, value = item
        kind = _KINDS.get(name)
        if kind is None or kind == "forwarding":
            if trust_forwarded or not (kind or name.startswith(b"x-forwarded-")):
                kept.append(item)
        elif kind == "once":
            if name in once:
                head.problem = f"Header {name.decode()} is repeated"
            once[name] = value
            kept.append(item)
        elif kind == "origin":
            origin = value
        elif name == b"host":
            head.host = value
        elif name == b"connection":
            connection.append(value)
    if once:
        _read_mcp(head, once)
    # The origin of the proxy itself means nothing to a server, which goes by another name behind it.
    if origin is not None and origin.partition(b"://")[2] != head.host:
        kept.append((b"origin", origin))
    if connection:
        _drop_named(kept, b",".join(connection))
    return head


def _read_mcp(head: RequestHead, once: dict[bytes, bytes]) -> None:
    head.version = once.get(b"mcp-protocol-version")
    head.modern = head.version is not None and head.version not in LEGACY_VERSIONS
    head.mcp_method = once.get(b"mcp-method")
    head.session = session = once.get(b"mcp-session-id")
    head.names_session = session is not None
    # A comma is how a proxy joins repeated headers: one side might read the first part, the other the last.
    for name, value in ((b"mcp-protocol-version", head.version), (b"mcp-method", head.mcp_method)):
        if value is not None and b"," in value:
            head.problem = f"Header {name.decode()} has several values"
    if session is not None and session.translate(None, _VISIBLE):
        head.problem = "Header mcp-session-id has characters that no session id may have"
    if head.modern:
        head.session = None
        head.kept = [item for item in head.kept if item[0] not in (b"mcp-session-id", b"last-event-id")]


def _drop_named(kept: list[tuple[bytes, bytes]], connection: bytes) -> None:
    """Drop the headers which the Connection header names as belonging to the connection."""
    named = {token.strip().lower() for token in connection.split(b",")} - {b"close", b"keep-alive", b""}
    if named:
        kept[:] = [item for item in kept if item[0] not in named]


def forwarded(kept: Headers, *, client: str, host: bytes, scheme: str) -> list[tuple[bytes, bytes]]:
    """The headers for a server, with those that tell it who asked and how. What a trusted proxy set before stays.

    Args:
        kept: The headers that go on.
        client: The address of the client; empty when unknown.
        host: The Host header of the client.
        scheme: ``http`` or ``https``.
    """
    sent, present = [*kept], [name for name, _ in kept]
    if b"x-forwarded-host" not in present:
        sent.append((b"x-forwarded-host", host))
    if b"x-forwarded-proto" not in present:
        sent.append((b"x-forwarded-proto", scheme.encode()))
    if client:
        # A second line continues the list of the first (RFC 9110, section 5.3).
        sent.append((b"x-forwarded-for", client.encode()))
    return sent


def response_headers(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    status: int,
    authority: bytes,
    modern: bool,
    session: bytes | None = None,
) -> list[tuple[bytes, bytes]]:
    """The headers of a response that go on to the client, names in lower case.

    Args:
        headers: As the server sent them, names in lower case.
        status: The HTTP status.
        authority: The server's own host and port, which mean nothing to the client.
        modern: Whether the request was of a protocol version without sessions.
        session: The client's name for the session, which the server may call otherwise. Default: None, the server's.
    """
    kept: list[tuple[bytes, bytes]] = []
    connection: bytes | None = None
    for name, value in headers:
        if name in _HOP:
            if name == b"connection":
                connection = value if connection is None else connection + b"," + value
            continue
        if name == b"content-length" and status in _BODILESS:
            continue
        if name == b"mcp-session-id":
            if modern:
                continue
            value = session or value
        elif name == b"location" and value.startswith((b"http://" + authority + b"/", b"https://" + authority + b"/")):
            value = value[value.index(authority) + len(authority) :]
        kept.append((name, value))
    if connection is not None:
        _drop_named(kept, connection)
    return kept
