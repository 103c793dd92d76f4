"""What requests to a workload go through on their way, as the run config's ``middleware_configs`` lists it.

A middleware is a function that takes an ASGI application and returns one. Packages add more by the entry-point group
``workloads.middleware``: each entry point is a :class:`MiddlewareFactory`, and its name is the ``type`` that run
configs give. Host, Origin and the size of bodies are checked before the chain, by the proxy itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports
from workloads.proxyrunner.identity import IDENTITY
from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext, MiddlewareFactory

if TYPE_CHECKING:
    from workloads.proxyrunner.middleware.chain import Chain

__all__ = (
    "IDENTITY",
    "Chain",
    "Middleware",
    "MiddlewareContext",
    "MiddlewareFactory",
)

__getattr__, __dir__ = exports(__name__, {"chain": ("Chain",)})
