"""The keys of a run config that are this library's own. Readers that do not know them lose nothing else."""

from __future__ import annotations

from typing import Literal

import attrs

from workloads.config._convert import strings
from workloads.config._rules import DURATION, INT32, NAMES, between, choice, each, one
from workloads.config._shape import keep_converters
from workloads.config._toolhive_keys import ToolHiveKeys
from workloads.config.grammars import parse_cpus, parse_memory, parse_user

__all__ = ("AdditiveKeys",)


def _check_host(host: str) -> None:
    if not host or any(character.isspace() for character in host):
        raise ValueError("expected a host name or address, with or without a port")


@attrs.frozen(kw_only=True, eq=False, repr=False, field_transformer=keep_converters, slots=False)
class AdditiveKeys(ToolHiveKeys):
    """The fields added to ToolHive's. None of their keys is written while it is the default.

    Attributes:
        backend_replicas: How many copies of the server run. Default: None, which leaves their number alone (one on
            this machine); 0 is a number, and is written.
        session_cache_size: How many sessions a proxy keeps in memory. Default: 0, which means 1000.
        command: The program: entry point of a container, or what is run without an image. ``cmd_args`` follow it.
            Default: none, the image's.
        idle_timeout: How long after its last use the workload goes to sleep, a Go duration. Default: ``""``, never.
        sleep_mode: How it sleeps: ``stop`` ends its replicas, ``suspend`` freezes them. Default: ``""``, ``stop``.
        stdio_mode: Whether a stdio server is one for all sessions (``shared``) or one for each (``per-session``).
            Default: ``""``, ``shared``.
        memory: How much memory each replica may use: bytes, or with ``k``, ``m`` or ``g``. Default: ``""``, unlimited.
        cpus: How many processors each replica may use, a decimal number such as ``"0.5"``. Default: ``""``, unlimited.
        pids: How many processes and threads each replica may have. Default: 0, which means 512 in a container.
        user: Who the server runs as: ``uid``, ``uid:gid``, or names. Default: ``""``, the image's.
        restart: When a replica that ended is started again: ``no``, ``on-failure`` or ``always``. Default: ``""``,
            the runtime's own.
        pull: When the image is fetched: ``always``, ``missing`` or ``never``. Default: ``""``, the runtime's own.
        depends_on: Workloads to start and to wake before this one, and to keep awake while it is. Default: none.
        allowed_hosts: Further values of ``Host`` that the proxy accepts. Default: none, loopback ones.
        insecure_bind: Whether the proxy may listen beyond this machine without authentication. Default: False.
        ready_timeout: How long the server may take to become ready, a Go duration. Default: ``""``, 5 minutes.
        drain_timeout: How long requests in flight may take when an embedded proxy ends, a Go duration. Default:
            ``""``, its own.
    """

    backend_replicas: int | None = attrs.field(default=None, metadata=INT32)
    session_cache_size: int = attrs.field(default=0, metadata=INT32)
    command: tuple[str, ...] = attrs.field(default=(), converter=strings)
    idle_timeout: str = attrs.field(default="", metadata=DURATION)
    sleep_mode: Literal["", "stop", "suspend"] = attrs.field(default="", metadata=choice("stop", "suspend"))
    stdio_mode: Literal["", "shared", "per-session"] = attrs.field(default="", metadata=choice("shared", "per-session"))
    memory: str = attrs.field(default="", metadata=one(parse_memory, "[1-9][0-9]{0,14}[bkmg]?"))
    cpus: str = attrs.field(default="", metadata=one(parse_cpus, "[1-9][0-9]{0,3}"))
    pids: int = attrs.field(default=0, metadata=between(0, 2**31 - 1))
    user: str = attrs.field(default="", metadata=one(parse_user, "[0-9]{1,9}(?::[0-9]{1,9})?"))
    restart: Literal["", "no", "on-failure", "always"] = attrs.field(
        default="", metadata=choice("no", "on-failure", "always")
    )
    pull: Literal["", "always", "missing", "never"] = attrs.field(
        default="", metadata=choice("always", "missing", "never")
    )
    depends_on: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=NAMES)
    allowed_hosts: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=each(_check_host, "[!-~]+"))
    insecure_bind: bool = False
    ready_timeout: str = attrs.field(default="", metadata=DURATION)
    drain_timeout: str = attrs.field(default="", metadata=DURATION)
