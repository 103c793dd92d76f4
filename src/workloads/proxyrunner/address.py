"""Where a replica listens, and what clients of its proxy connect to."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

import attrs

from workloads.model import ProxyMode

__all__ = ("ReplicaAddress", "client_url")


def _host_header(address: ReplicaAddress) -> bytes:
    """The authority; a usual port is left out, for servers that go by their name alone."""
    return address.authority.removesuffix(":443" if address.tls else ":80").encode()


def _url(address: ReplicaAddress) -> str:
    return f"{'https' if address.tls else 'http'}://{address.authority}"


@attrs.frozen(cache_hash=True)
class ReplicaAddress:
    """Where a replica's HTTP server listens.

    Attributes:
        host: An IP address or a name.
        port: The port.
        tls: Whether it speaks HTTPS; its certificate must then be of ``host`` and of an authority that this machine
            trusts. Default: False.
        host_header: What it is called in the ``Host`` header, as bytes.
        url: Where it is, without a path.
    """

    host: str
    port: int
    tls: bool = False
    host_header: bytes = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_host_header, takes_self=True)
    )
    url: str = attrs.field(init=False, eq=False, repr=False, default=attrs.Factory(_url, takes_self=True))

    @classmethod
    def of(cls, url: str) -> Self:
        """The address in a URL such as ``http://127.0.0.1:8000``.

        Raises:
            ValueError: It is another kind of URL, or has more than a scheme, a host and a port.
        """
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if not (tls or parts.scheme == "http") or not parts.hostname or parts.username or parts.path.strip("/"):
            raise ValueError(f"expected http://HOST:PORT or https://HOST:PORT, got {url!r}")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls)

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        return _authority(self.host, self.port)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def client_url(name: str, host: str, port: int, mode: ProxyMode, *, remote_url: str = "") -> str:
    """What a client connects to, in the form of ToolHive's workload view.

    Args:
        name: The workload.
        host: The address its proxy listens on.
        port: The port; 0, while there is none, gives an empty text.
        mode: What the proxy speaks.
        remote_url: Where the server is, if elsewhere: its path is that of the proxy, too. Default: ``""``.
    """
    if not port:
        return ""
    # An address that means "every interface" is none to connect to.
    host = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
    authority = _authority(host, port)
    sse = mode is ProxyMode.SSE
    path = _path(remote_url, sse=sse) if remote_url else "/sse" if sse else "/mcp"
    return f"http://{authority}{path}#{name}" if sse else f"http://{authority}{path}"


def _path(remote_url: str, *, sse: bool) -> str:
    """The path of a remote server; one at the root has none, but for the usual one of SSE."""
    try:
        path = urlsplit(remote_url).path
    except ValueError:  # of a run config that somebody else wrote
        path = ""
    return path if path not in ("", "/") else "/sse" if sse else ""
