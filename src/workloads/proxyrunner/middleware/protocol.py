"""What a middleware is, and what makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.asgi import Application

    Middleware: TypeAlias = Callable[[Application], Application]
else:
    Middleware: TypeAlias = object

__all__ = ("Middleware", "MiddlewareContext", "MiddlewareFactory")


@attrs.frozen
class MiddlewareContext:
    """What a middleware may want to know of where it works.

    Attributes:
        workload: The name of the workload.
        max_body: Bytes a request may have.
    """

    workload: str
    max_body: int


class MiddlewareFactory(Protocol):
    """Makes a middleware from what a run config says of it. It does no I/O: that is for the first request."""

    def __call__(self, parameters: Any, context: MiddlewareContext, /) -> Middleware:
        """A middleware.

        Args:
            parameters: The ``parameters`` of the run config: any JSON value, None when left out.
            context: Where it will work.

        Raises:
            RunConfigError: The parameters cannot be used; the paths of its problems begin there.
            MissingDependencyError: It needs what is not installed.
        """
        ...
