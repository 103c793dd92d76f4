"""The head of a request as the scope of an application, and what else is in that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from workloads.proxyrunner.target import with_host_of

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Headers, Scope

__all__ = ("address_of", "scope_of")

_ASGI = {"version": "3.0", "spec_version": "2.3"}


def scope_of(
    parser: Any, url: bytes, headers: Headers, *, server: tuple[str, int] | None, client: tuple[str, int] | None
) -> Scope:
    """The ASGI scope of a request.

    Args:
        parser: The parser, which has come to the end of its head.
        url: The target.
        headers: As received, names in lower case.
        server: Host and port to which it came; None for a socket that has none.
        client: The same of who sent it.

    Raises:
        httptools.HttpParserInvalidURLError: The target is none.
    """
    target = httptools.parse_url(url)
    if target.host:
        headers = with_host_of(url, headers)
    raw_path = target.path or b"/"  # a whole URL may have none (RFC 9112, section 3.2.2)
    path = raw_path.decode("ascii")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": parser.get_http_version(),
        "method": parser.get_method().decode("ascii"),
        "scheme": "http",
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": target.query or b"",
        "root_path": "",
        "headers": headers,
        "server": server,
        "client": client,
    }


def address_of(found: Any) -> tuple[str, int] | None:
    """The host and port in what a transport tells of a socket; None for one that has none."""
    if not isinstance(found, tuple):
        return None
    host, port, *_ = cast("tuple[str, int]", found)
    return host, port
