"""The URLs of Redis.

::

    redis://[[user]:password@]host[:port][/database][?options]
    unix://[[user]:password@]/path/of/the/socket[?options]
    redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/database][?options]
    redis+cluster://[[user]:password@]host[:port][,host[:port]...][?options]

``rediss`` in the place of ``redis`` encrypts. Ports are 6379, and 26379 of Sentinels, when left out. What has a meaning
in a URL is percent-encoded, in a password too. Options are fields of :class:`Target`, by the names that redis-py gives
them; ``db`` is the database too.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from workloads.errors import Problem
from workloads.session.redis.target import Address, Kind, Target

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("parse",)

_KINDS: dict[str, Kind] = {"": "server", "+sentinel": "sentinel", "+cluster": "cluster"}
_SHAPE = re.compile(
    r"(?P<scheme>[a-z+]+)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:\[\]\s]+))(?::(?P<port>[0-9]+))?")
_SCHEMES = "redis, rediss, unix, redis+sentinel, rediss+sentinel, redis+cluster, rediss+cluster"


def _file(text: str) -> str:
    if not text:
        raise ValueError("the path of a file")
    return text


def _switch(text: str) -> bool:
    try:
        return {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}[text.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def _requirement(text: str) -> str:
    if text not in ("required", "none"):
        raise ValueError("required or none")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise ValueError("seconds above 0, at most 3600")
    return seconds


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"a number from {low} to {high}")
        return int(text)

    return read


_port = _number(1, 65535)
_database = _number(0, 999_999)

_OPTIONS: dict[str, Callable[[str], Any]] = {
    "client_name": str,
    "db": _database,
    "max_connections": _number(1, 10_000),
    "sentinel_password": str,
    "sentinel_ssl": _switch,
    "sentinel_username": str,
    "socket_connect_timeout": _seconds,
    "socket_timeout": _seconds,
    "ssl_ca_certs": _file,
    "ssl_cert_reqs": _requirement,
    "ssl_certfile": _file,
    "ssl_check_hostname": _switch,
    "ssl_keyfile": _file,
}


def parse(url: str, *, password: str | None = None) -> tuple[Target | None, list[Problem]]:
    """Where a URL says that Redis is, or every problem that it has.

    A problem never repeats a part of the URL: with one character of a password not encoded, any part can be a secret.

    Args:
        url: The URL.
        password: The password, in the place of one in the URL.
    """
    shape = _SHAPE.fullmatch(url)
    scheme = shape["scheme"] if shape else ""
    base, plus, mode = scheme.partition("+")
    if shape is None or (scheme != "unix" and (base not in ("redis", "rediss") or plus + mode not in _KINDS)):
        return None, [Problem("url", f"expected a URL that begins with one of {_SCHEMES}, and ://")]
    return _Reading("unix" if scheme == "unix" else _KINDS[plus + mode], base == "rediss", password).read(shape)


class _Reading:
    """One URL while it is read: what was found, and what is wrong with it."""

    def __init__(self, kind: Kind, tls: bool, password: str | None) -> None:
        self._kind: Kind = kind
        self._fields: dict[str, Any] = {"kind": kind, "tls": tls, "password": password}
        self._problems: list[Problem] = []

    def read(self, shape: re.Match[str]) -> tuple[Target | None, list[Problem]]:
        """The target, or the problems."""
        if shape["fragment"] is not None:
            self._wrong("", "# ends a URL; write %23 where it belongs to a value")
        user, at, hosts = shape["authority"].rpartition("@")
        if at:
            self._user(user)
        if self._kind == "unix":
            self._socket(hosts, shape["path"] or "")
        else:
            self._addresses(hosts)
            self._path(shape["path"] or "")
        self._options(shape["query"] or "")
        self._tls_options()
        return (None if self._problems else Target(**self._fields)), self._problems

    def _wrong(self, part: str, message: str) -> None:
        self._problems.append(Problem(f"url.{part}" if part else "url", message))

    def _value(self, part: str, text: str, read: Callable[[str], Any], field: str = "") -> None:
        try:
            self._fields[field or part] = read(text)
        except ValueError as error:
            self._wrong(part, f"expected {error}")

    def _user(self, text: str) -> None:
        if "@" in text:
            self._wrong("user", "write %40 for an @ in a user or password, and both only once, before the first host")
        name, colon, password = text.partition(":")
        if name:
            self._fields["username"] = unquote(name)
        if colon and password:
            if self._fields["password"] is not None:
                self._wrong("password", "there is another, given beside the URL; leave one out")
            self._fields["password"] = unquote(password)

    def _addresses(self, text: str) -> None:
        found: list[Address] = []
        for each in text.split(",") if text else ["localhost"]:
            match = _HOST.fullmatch(each)
            if match is None:
                self._wrong("host", "expected a host, or host:port, and an IPv6 address in [brackets]")
                continue
            port = match["port"] or ("26379" if self._kind == "sentinel" else "6379")
            try:
                found.append((unquote(match["six"] or match["host"]), _port(port)))
            except ValueError as error:
                self._wrong("port", f"expected {error}")
        if self._kind == "server" and len(found) > 1:
            self._wrong("host", "expected one host; several are for redis+sentinel and redis+cluster")
        self._fields["addresses"] = tuple(found)

    def _socket(self, hosts: str, path: str) -> None:
        if hosts:
            self._wrong("host", "a Unix socket has none: unix:///path/of/the/socket")
        if path in ("", "/"):
            self._wrong("path", "expected the path of a socket: unix:///path/of/the/socket")
        self._fields["path"] = unquote(path)

    def _path(self, path: str) -> None:
        parts = path.removeprefix("/").split("/")
        if self._kind == "sentinel":
            if not (master := unquote(parts.pop(0))):
                self._wrong("master", "expected the name of a master: redis+sentinel://host/master")
            self._fields["master"] = master
        if any(parts):
            if self._kind == "cluster":
                self._wrong("database", "a cluster has only one, which is not named")
            else:
                self._value("database", "/".join(parts), _database)

    def _options(self, query: str) -> None:
        seen: set[str] = set()
        for name, text in parse_qsl(query, keep_blank_values=True):
            if name not in _OPTIONS:
                self._wrong("options", f"there is one that is not known; known are {', '.join(_OPTIONS)}")
            elif name in seen:
                self._wrong(name, "is given twice")
            elif name.startswith("sentinel_") and self._kind != "sentinel":
                self._wrong(name, "is for redis+sentinel only")
            elif name == "db" and (self._kind == "cluster" or "database" in self._fields):
                self._wrong(name, "the database is named already, or a cluster's")
            else:
                self._value(name, text, _OPTIONS[name], "database" if name == "db" else "")
            seen.add(name)

    def _tls_options(self) -> None:
        used = [name for name in self._fields if name.startswith("ssl_")]
        if used and not self._fields["tls"] and not self._fields.get("sentinel_ssl"):
            self._wrong(", url.".join(used), "is for rediss only")
        if "ssl_keyfile" in used and "ssl_certfile" not in used:
            self._wrong("ssl_keyfile", "is of no use without ssl_certfile")
