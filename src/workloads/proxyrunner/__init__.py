"""The proxy runner: deploys one workload, or only routes to it, and proxies to it.

Servers of HTTP are proxied transparently, with streaming in both directions. Servers on standard input and output are
bridged to streamable HTTP. Names are loaded when they are first used: importing this package imports no HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.control.address import ControlPort, ControlSocket
    from workloads.proxyrunner.observer import RunnerObserver
    from workloads.proxyrunner.runner import ProxyRunner

__all__ = ("ControlPort", "ControlSocket", "ProxyRunner", "ReplicaAddress", "RunnerObserver")

_HOMES = {
    "ControlPort": "control.address",
    "ControlSocket": "control.address",
    "ProxyRunner": "runner",
    "ReplicaAddress": "address",
    "RunnerObserver": "observer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
