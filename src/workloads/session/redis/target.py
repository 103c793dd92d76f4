"""Where Redis is and how to get in, as a value."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ("DEFAULT_CONNECTIONS", "Address", "Kind", "Target")

Address = tuple[str, int]
Kind = Literal["server", "unix", "sentinel", "cluster"]

DEFAULT_CONNECTIONS = 64

_SCHEMES: dict[Kind, str] = {"server": "", "unix": "", "sentinel": "+sentinel", "cluster": "+cluster"}


@attrs.frozen(kw_only=True)
class Target:
    """One Redis. As a text it is its URL without user, password and options.

    Attributes:
        kind: One server by TCP or by a Unix socket, a master that Sentinel knows, or a cluster.
        addresses: Host and port of the server, of Sentinels, or of some nodes of the cluster.
        path: The Unix socket.
        master: The name by which Sentinel knows the master.
        database: The number of the database; 0 in a cluster.
        username: The user of Redis' access control list; None is ``default``.
        password: The user's password; None is none.
        tls: Whether connections are encrypted.
        ssl_ca_certs: File of the authorities that are trusted; None is those of the system.
        ssl_certfile: File of the client's certificate; None is none.
        ssl_keyfile: File of its key; None is that the certificate's file has it.
        ssl_check_hostname: Whether the server's certificate must be for the host.
        ssl_cert_reqs: ``required``, or ``none`` to trust any certificate.
        socket_connect_timeout: Seconds to connect; 5 by default, as ToolHive's.
        socket_timeout: Seconds to read an answer or write a command; 3 by default, as ToolHive's.
        max_connections: Commands that run at once, each on a connection; 64 by default. Looks share one more.
        client_name: The name of connections in ``CLIENT LIST``; None is none.
        sentinel_username: As ``username``, for the Sentinels.
        sentinel_password: As ``password``, for the Sentinels.
        sentinel_ssl: As ``tls``, for the Sentinels; None is as ``tls``.
    """

    kind: Kind
    addresses: tuple[Address, ...] = ()
    path: str = ""
    master: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    tls: bool = False
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_check_hostname: bool = True
    ssl_cert_reqs: str = "required"
    socket_connect_timeout: float = 5.0
    socket_timeout: float = 3.0
    max_connections: int = DEFAULT_CONNECTIONS
    client_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = attrs.field(default=None, repr=False)
    sentinel_ssl: bool | None = None

    def __str__(self) -> str:
        database = "" if self.kind == "cluster" else f"/{self.database}"
        if self.kind == "unix":
            return f"unix://{self.path}?db={self.database}"
        scheme = f"redis{'s' if self.tls else ''}{_SCHEMES[self.kind]}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)
        master = f"/{self.master}" if self.master else ""
        return f"{scheme}://{hosts}{master}{database}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(filter(None, (self.password, self.sentinel_password)))
