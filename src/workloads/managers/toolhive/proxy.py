"""The proxy process of a workload that ``thv`` runs: which process it is, if it can be proven.

ToolHive records a bare pid. A pid alone says little (see :mod:`workloads._core.process`), so the process must also look
like that proxy, whole words compared, and must have been there when the pid was written down.
"""

from __future__ import annotations

import contextlib
from enum import Enum, auto
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

import attrs

from workloads._core import process
from workloads._core.variables import DETACHED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from workloads._core.process import ProcessIdentity

__all__ = ("Proxy", "Standing", "find_proxy", "is_proxy_of", "listeners")

_PROGRAM = "thv"
_CLOCK_SLACK = 2.0
"""Seconds by which the start of a process and the clock may differ."""


class Standing(Enum):
    """What is known of a proxy process."""

    ALIVE = auto()
    GONE = auto()
    UNKNOWN = auto()
    """There is a process of that pid, of which this user may not know enough."""


@attrs.frozen
class Proxy:
    """The proxy process of a workload.

    Attributes:
        standing: What is known of it.
        identity: Which process it is; only when it is alive.
    """

    standing: Standing
    identity: ProcessIdentity | None = None


def is_proxy_of(base: str, argv: Sequence[str], environ: Mapping[str, str], *, named: bool = False) -> bool:
    """Whether a process looks like the proxy of a workload.

    Args:
        base: The base name of the workload.
        argv: The words that the process was started with.
        environ: Its environment.
        named: Whether it must name the workload, for nothing else tells whose it is. Default: False, if it names one.
    """
    detached = DETACHED.value(environ) == "1"
    started = {after for word, after in pairwise(argv) if word == "start"}
    if started:
        return base in started and (detached or _is_thv(argv))
    return detached and not named


def find_proxy(
    base: str, pid: int, written_at: datetime | None, port: int, listeners: Callable[[], Mapping[int, Sequence[int]]]
) -> Proxy:
    """The proxy of a workload: the process of the recorded pid, else the one that listens on the proxy's port.

    Args:
        base: The base name of the workload.
        pid: What is recorded; 0 for nothing.
        written_at: When it was recorded.
        port: The port of the proxy; 0 when it is not known.
        listeners: Gives the processes that listen, by port; only asked when what is recorded does not do.
    """
    recorded = Proxy(Standing.GONE)
    if pid > 0 and written_at is not None:
        recorded = _proven(base, pid, written_at.timestamp())
        if recorded.standing is Standing.ALIVE:
            return recorded
    for listener in listeners().get(port, ()) if port else ():
        found = _proven(base, listener, None)
        if found.standing is Standing.ALIVE:
            return found
    return recorded


def _proven(base: str, pid: int, written_at: float | None) -> Proxy:
    import psutil

    identity = process.identify(pid)
    if identity is None:
        return Proxy(Standing.GONE)
    environ: dict[str, str] = {}
    told = True
    try:
        about = psutil.Process(pid)
        if written_at is not None and about.create_time() > written_at + _CLOCK_SLACK:
            return Proxy(Standing.GONE)  # the pid was used again
        argv = about.cmdline()
        try:
            environ = about.environ()
        except psutil.AccessDenied:
            told = False
    except psutil.AccessDenied:
        return Proxy(Standing.UNKNOWN)
    except psutil.Error:
        return Proxy(Standing.GONE)
    # What was read is of this process only if it was the same one before and afterwards.
    if is_proxy_of(base, argv, environ, named=written_at is None) and process.is_alive(identity):
        return Proxy(Standing.ALIVE, identity)
    return Proxy(Standing.GONE if told or not _is_thv(argv) else Standing.UNKNOWN)


def _is_thv(argv: Sequence[str]) -> bool:
    return bool(argv) and PurePath(argv[0]).name == _PROGRAM


def listeners() -> dict[int, list[int]]:
    """The processes that listen, by port, as far as this user may know. It looks at every process."""
    import psutil

    found: dict[int, list[int]] = {}
    with contextlib.suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.pid and each.status == psutil.CONN_LISTEN and each.laddr:
                found.setdefault(each.laddr[1], []).append(each.pid)
    return found
