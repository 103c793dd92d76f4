"""The proxy runner: deploys one workload, or only routes to it, and proxies to it.

Servers of HTTP are proxied transparently, with streaming in both directions. Servers on standard input and output are
bridged to streamable HTTP. Names are loaded when they are first used: importing this package imports no HTTP library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.control.address import ControlPort, ControlSocket
    from workloads.proxyrunner.observer import RunnerObserver
    from workloads.proxyrunner.runner import ProxyRunner

__all__ = ("ControlPort", "ControlSocket", "ProxyRunner", "ReplicaAddress", "RunnerObserver")

__getattr__, __dir__ = exports(
    __name__,
    {
        "address": ("ReplicaAddress",),
        "control.address": ("ControlPort", "ControlSocket"),
        "observer": ("RunnerObserver",),
        "runner": ("ProxyRunner",),
    },
)
