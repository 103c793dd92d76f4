"""Which middlewares a workload has, in their order. Pure, but for loading the code of other packages' middlewares."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import attrs

from workloads.config import has_effect
from workloads.errors import MissingDependencyError, Problem, RunConfigError
from workloads.proxyrunner.middleware.protocol import MiddlewareContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import EntryPoint
    from typing import Any

    from workloads.config import RunConfig
    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareFactory

__all__ = ("ENTRY_POINT_GROUP", "Chain")

ENTRY_POINT_GROUP = "workloads.middleware"
"""Where packages register middlewares: each entry point is a :class:`MiddlewareFactory`."""

_PACKAGE = "workloads.proxyrunner.middleware"
_BUILTIN = {
    "auth": f"{_PACKAGE}.auth:make",
    "recovery": f"{_PACKAGE}.recovery:make",
    "telemetry": f"{_PACKAGE}.telemetry:make",
    "tool-call-filter": f"{_PACKAGE}.tool_calls:make",
    "tool-filter": f"{_PACKAGE}.tool_lists:make",
}
# The proxy does these itself, before the chain or behind it, and wherever they are listed.
_ELSEWHERE = frozenset(("bodylimit", "header-forward", "origin"))


class _Entry(NamedTuple):
    """One middleware that a run config asks for.

    Attributes:
        path: Where its type stands in the run config.
        parameters_path: Where its parameters do.
        type: What it is.
        parameters: Its parameters.
    """

    path: str
    parameters_path: str
    type: str
    parameters: Any


@attrs.frozen
class Chain:
    """The middlewares of a workload, the outermost first.

    Attributes:
        links: The middlewares.
        types: What each is.
    """

    links: tuple[Middleware, ...] = ()
    types: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, config: RunConfig, *, max_body: int, entry_points: Iterable[EntryPoint] | None = None
    ) -> tuple[Chain, list[Problem]]:
        """The chain that a run config asks for, and what cannot be made of it.

        Args:
            config: The run config.
            max_body: Bytes a request may have.
            entry_points: The middlewares of other packages. Default: None, those of the installed packages.
        """
        context = MiddlewareContext(config.name, max_body)
        links: list[tuple[str, Middleware]] = []
        problems: list[Problem] = []
        for entry in _entries(config):
            try:
                links.append((entry.type, _factory(entry.type, entry_points)(entry.parameters, context)))
            except RunConfigError as error:
                problems += (Problem(_join(entry.parameters_path, path), message) for path, message in error.problems)
            except LookupError as error:
                problems.append(Problem(entry.path, str(error.args[0])))
            except MissingDependencyError as error:
                problems.append(Problem(entry.path, str(error)))
        return cls(tuple(link for _, link in links), tuple(kind for kind, _ in links)), problems

    @property
    def authenticates(self) -> bool:
        """Whether no request passes without a token."""
        return "auth" in self.types

    def around(self, application: Application) -> Application:
        """The application with the chain before it."""
        for link in reversed(self.links):
            application = link(application)
        return application


def _entries(config: RunConfig) -> list[_Entry]:
    """The middlewares that a run config asks for, the outermost first.

    Keys such as ``tools_filter`` stand for a middleware that is not listed: what they ask for is never left out.
    """
    listed = [
        _Entry(f"{key}[{index}].type", f"{key}[{index}].parameters", middleware.type, middleware.parameters)
        for key in ("middleware_configs", "additional_middleware_configs")
        for index, middleware in enumerate(getattr(config, key))
        if middleware.type not in _ELSEWHERE and has_effect(middleware.type)
    ]
    types = {entry.type for entry in listed}
    return [
        *(entry for entry in _asking_for_tokens(config) if entry.type not in types),
        *listed,
        *(entry for entry in _choosing_tools(config) if entry.type not in types),
    ]


def _asking_for_tokens(config: RunConfig) -> Iterator[_Entry]:
    if config.oidc_config is not None:
        yield _Entry("oidc_config", "", "auth", {"oidc_config": config.oidc_config.to_dict()})


def _choosing_tools(config: RunConfig) -> Iterator[_Entry]:
    if config.tools_filter or config.tools_override:
        overrides = {name: override.to_dict() for name, override in config.tools_override.items()}
        parameters = {"filter_tools": config.tools_filter, "tools_override": overrides}
        yield _Entry("tools_filter", "", "tool-filter", parameters)
        yield _Entry("tools_filter", "", "tool-call-filter", parameters)


def _factory(kind: str, entry_points: Iterable[EntryPoint] | None) -> MiddlewareFactory:
    """The factory of a type of middleware.

    Raises:
        LookupError: There is none, or it cannot be loaded; the message says which are known.
    """
    if kind in _BUILTIN:
        module, _, attribute = _BUILTIN[kind].partition(":")
        factory: MiddlewareFactory = getattr(import_module(module), attribute)
        return factory
    if entry_points is None:
        from importlib.metadata import entry_points as installed

        entry_points = installed(group=ENTRY_POINT_GROUP)
    others = {entry_point.name: entry_point for entry_point in entry_points}
    if kind not in others:
        known = ", ".join(sorted({*_BUILTIN, *_ELSEWHERE, *others}))
        raise LookupError(f"no middleware {kind!r} is installed; remove it to run without; there are: {known}")
    try:
        loaded: MiddlewareFactory = others[kind].load()
    except Exception as error:  # whatever a package raises when imported
        raise LookupError(f"the middleware {kind!r} of {others[kind].value} cannot be loaded: {error!r}") from error
    return loaded


def _join(path: str, rest: str) -> str:
    return f"{path}.{rest}" if path and rest else path or rest
