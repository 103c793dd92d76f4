"""Asking a socket whether a Docker or Podman engine answers there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import socket

__all__ = ("DENIED", "OLDEST_API", "Pong", "UnsupportedAddressError", "connect", "ping", "version_numbers")

OLDEST_API = (1, 40)
"""What the API of an engine must have: Docker 19.03, Podman 3.0."""
DENIED = (
    "permission denied; join the group that owns the socket (often: docker), then log in again, or use an engine that "
    "runs without root"
)
"""What to do where a socket is not for this user."""

_REQUEST = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_HEAD_LIMIT = 16 * 1024


@attrs.frozen
class Pong:
    """What became of a ping.

    Attributes:
        engine: Who answered: ``docker`` or ``podman``; empty when no engine did.
        reason: Why none did, for people; empty when one did.
        absent: Whether there is nothing at all at this address.
        api: The version of its API; empty when none did, or it does not tell.
    """

    engine: str
    reason: str = ""
    absent: bool = False
    api: str = ""


def ping(url: str, *, timeout: float = 1.0) -> Pong:
    """Ask for ``/_ping``, which every engine answers without credentials.

    Args:
        url: The address, with scheme ``unix``, ``tcp`` or ``http``.
        timeout: Seconds for the whole exchange.
    """
    deadline = time.monotonic() + timeout
    try:
        with connect(url, timeout) as connection:
            connection.sendall(_REQUEST)
            return _classify(_head(connection, deadline))
    except UnsupportedAddressError as error:
        return Pong("", str(error))
    except FileNotFoundError:
        return Pong("", "no such socket; start the engine", absent=True)
    except PermissionError:
        return Pong("", DENIED)
    except ConnectionRefusedError:
        return Pong("", "connection refused: nothing listens there any more; start the engine")
    except TimeoutError:
        return Pong("", f"no answer within {timeout:g} s")
    except OSError as error:
        return Pong("", error.strerror or str(error))


class UnsupportedAddressError(Exception):
    """An address of a kind that cannot be asked."""


def connect(url: str, timeout: float) -> socket.socket:
    """Connect to an engine.

    Args:
        url: The address, as :func:`ping` takes it.
        timeout: Seconds that this may take, and then each call of the socket.

    Raises:
        UnsupportedAddressError: It is of another kind.
        OSError: Nothing answers there.
    """
    import socket

    scheme, _, place = url.partition("://")
    if scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except BaseException:
            connection.close()
            raise
        return connection
    if scheme not in ("tcp", "http"):
        raise UnsupportedAddressError(f"addresses of kind {scheme}:// cannot be asked; use unix:// or tcp://")
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(f"//{place}")
        address = parts.hostname or "127.0.0.1", parts.port or 2375
    except ValueError as error:
        raise UnsupportedAddressError(f"not an address: {error}") from None
    return socket.create_connection(address, timeout)


def _head(connection: socket.socket, deadline: float) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _HEAD_LIMIT:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return data.partition(b"\r\n\r\n")[0]


def _classify(head: bytes) -> Pong:
    """Who answers with this head of an HTTP response."""
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    words = status.split()
    if len(words) < 2 or not words[0].startswith("HTTP/"):
        return Pong("", "not a container engine: it does not speak HTTP")
    if words[1] == "400":
        return Pong(
            "", "it answers with status 400: perhaps it wants TLS, which is not spoken here; use its Unix socket"
        )
    if words[1] != "200":
        return Pong("", f"not a container engine, or not healthy: it answers with status {words[1]}")
    version = headers.get("api-version", "")
    podman = "libpod-api-version" in headers or headers.get("server", "").startswith("Libpod")
    if not version and not podman:
        return Pong("", "not a container engine: it does not tell its API version")
    if version and version_numbers(version) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        return Pong("", f"too old: it speaks version {version} of its API, {oldest} is needed; update the engine")
    return Pong("podman" if podman else "docker", api=version)


def version_numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, to be compared; what is none counts as 0.

    Args:
        version: Such as ``1.41``.
    """
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
