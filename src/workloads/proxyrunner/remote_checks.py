"""What is wrong with what a run config says of a server that runs elsewhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workloads.errors import Problem
from workloads.model import TransportType
from workloads.proxyrunner.guard import is_loopback
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.remote import (
    FORBIDDEN_VALUE,
    MIDDLEWARE,
    PORTS,
    declared_headers,
    forwarding_middlewares,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config import RunConfig

__all__ = ("remote_problems",)

_TRANSPORTS = (TransportType.STREAMABLE_HTTP, TransportType.SSE)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# ToolHive's list: they speak of the connection, of the message's length, or of who asks.
_REFUSED = frozenset((
    "connection", "content-length", "forwarded", "host", "http2-settings", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
))  # fmt: skip


def remote_problems(config: RunConfig) -> Iterator[Problem]:
    """What is wrong with what a run config says of a remote server."""
    if not config.remote_url:
        if config.header_forward is not None:
            yield Problem("header_forward", "is for remote servers only; remove it, or set remote_url")
        for key, _ in forwarding_middlewares(config):
            yield Problem(f"{key}.type", f"{MIDDLEWARE!r} is for remote servers only; remove it, or set remote_url")
        return
    yield from _url_problems(config)
    if config.transport not in _TRANSPORTS:
        yield Problem("transport", f"a remote server speaks streamable-http or sse, got {config.transport.value!r}")
    for key in ("image", "command", "cmd_args", "idle_timeout", "sleep_mode"):
        if getattr(config, key):
            yield Problem(key, "nothing is started here for a remote server; leave it out, or remove remote_url")
    if config.effective_backend_replicas not in (None, 1):
        key = "backend_replicas" if config.backend_replicas is not None else "scaling_config.backend_replicas"
        yield Problem(key, "a remote server is one; leave it out")
    yield from _header_problems(config)


def _url_problems(config: RunConfig) -> Iterator[Problem]:
    url = config.remote_url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text would show a part of a password that has a slash in it
        yield Problem("remote_url", "is no URL, or its port is no port")
        return
    if parts.username is not None or parts.password is not None:
        # Not shown: it may hold a password.
        yield Problem("remote_url", "must not name a user; put credentials into header_forward, from a secret")
    elif parts.scheme not in PORTS or not parts.hostname or port == 0:
        yield Problem("remote_url", f"must be https://HOST or https://HOST:PORT with a path, got {url!r}")
    elif not url.isascii() or not url.isprintable() or " " in url:
        yield Problem("remote_url", "must be ASCII, with everything else percent-encoded")
    elif parts.fragment:
        yield Problem("remote_url", "must have no fragment; no server would see it")
    elif parts.scheme == "http" and not is_loopback(parts.hostname) and _has_secrets(config):
        yield Problem("remote_url", "must begin with https:// where header_forward adds secrets")


def _has_secrets(config: RunConfig) -> bool:
    return config.header_forward is not None and bool(config.header_forward.add_headers_from_secret)


def _header_problems(config: RunConfig) -> Iterator[Problem]:
    for key, parameters in forwarding_middlewares(config):
        added = members(parameters).get("add_headers", {} if isinstance(parameters, Mapping) else None)
        if not isinstance(added, Mapping):
            yield Problem(f"{key}.parameters.add_headers", "must be an object of headers and their values")
    seen: set[str] = set()
    for path, name, value in declared_headers(config, secrets=True):
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            yield Problem(path, "is no name of a header")
        elif name.lower() in _REFUSED:
            yield Problem(path, "belongs to the connection or says who asks: the proxy sets it itself")
        elif not isinstance(value, str) or FORBIDDEN_VALUE.search(value):
            yield Problem(path, "its value cannot be that of a header")
        elif name.lower() in seen:
            yield Problem(path, "the header is added more than once")
        if isinstance(name, str):
            seen.add(name.lower())
