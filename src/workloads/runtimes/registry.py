"""Which runtimes there are. The list is open: packages add to it by the entry-point group ``workloads.runtimes``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from workloads._core.variables import KUBERNETES_SERVICE_HOST
from workloads.errors import RuntimeNotFoundError, RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from workloads.runtimes.engines import Engines
    from workloads.runtimes.protocol import Runtime

__all__ = (
    "ENTRY_POINT_GROUP",
    "NO_SUPPORT",
    "RuntimeSpec",
    "Usability",
    "always_usable",
    "builtin_specs",
    "installed_specs",
    "load_runtime",
)

ENTRY_POINT_GROUP = "workloads.runtimes"
"""Where packages register runtimes: each entry point is a :class:`RuntimeSpec` of the same name."""
NO_SUPPORT = "this version has no support for it yet"
"""Why a runtime cannot be used that is known and nothing more."""

_LAST = 1_000_000
_CONTAINERS = "workloads.runtimes.container.runtime"


@attrs.frozen
class Usability:
    """Whether a runtime can be used in some surroundings.

    Attributes:
        usable: Whether it can.
        reason: Why or why not, for people.
        endpoint: Where it was found, such as ``unix:///var/run/docker.sock``; empty where that means nothing.
    """

    usable: bool
    reason: str
    endpoint: str = ""


def always_usable(_environ: Mapping[str, str]) -> Usability:
    """Usable everywhere: for a runtime that needs nothing of its surroundings."""
    return Usability(usable=True, reason="needs nothing")


@attrs.frozen(kw_only=True)
class RuntimeSpec:
    """What is known of a runtime before it is loaded.

    Attributes:
        name: The name it is chosen by.
        priority: Its place in the automatic choice, from 0; lower comes first. The builtin ones are ``kubernetes`` 50,
            ``docker`` 100, ``podman`` 110 and ``process`` 1000.
        load: What makes it, as ``module:attribute``, called without arguments. Empty while there is only its name.
        extra: The extra of this package that it needs, which brings a module of the same name; empty for none.
        detect: Tells from the environment's variables, and what it finds by them, whether it can be used here. It
            returns within seconds.
        problem: Why it can never be used, such as a failed import; empty when nothing is wrong.
    """

    name: str
    priority: int
    load: str = ""
    extra: str = ""
    detect: Callable[[Mapping[str, str]], Usability] = always_usable
    problem: str = ""


def builtin_specs(engines: Engines | None = None) -> tuple[RuntimeSpec, ...]:
    """The runtimes of this package.

    Args:
        engines: What looks for Docker and Podman; None looks in the usual places.
    """
    if engines is None:
        from workloads.runtimes.engines import Engines

        engines = Engines()
    return (
        RuntimeSpec(name="kubernetes", priority=50, extra="kubernetes", detect=_in_pod),
        RuntimeSpec(name="docker", priority=100, load=f"{_CONTAINERS}:docker", extra="docker", detect=engines.docker),
        RuntimeSpec(name="podman", priority=110, load=f"{_CONTAINERS}:podman", extra="docker", detect=engines.podman),
        RuntimeSpec(
            name="process", priority=1000, load="workloads.runtimes.process.runtime:ProcessRuntime", detect=_on_posix
        ),
    )


def installed_specs(entry_points: Iterable[EntryPoint] | None = None) -> tuple[RuntimeSpec, ...]:
    """The runtimes that other packages register. One that is broken is among them, with its ``problem``.

    Args:
        entry_points: Where to take them from; None takes those of the installed packages.
    """
    if entry_points is None:
        from importlib.metadata import entry_points as installed

        entry_points = installed(group=ENTRY_POINT_GROUP)
    taken = {spec.name for spec in builtin_specs()}
    specs: list[RuntimeSpec] = []
    for entry_point in entry_points:
        spec = _loaded(entry_point)
        if spec.name in taken:
            problem = f"{entry_point.value} registers a runtime {spec.name!r}, a name that is taken; rename it"
            spec = attrs.evolve(spec, priority=_LAST, problem=problem)
        taken.add(spec.name)
        specs.append(spec)
    return tuple(specs)


def load_runtime(name: str) -> Runtime:
    """Make a runtime.

    Args:
        name: The name it is registered by.

    Raises:
        RuntimeNotFoundError: There is none of that name.
        RuntimeUnavailableError: It is known, but cannot be loaded.
    """
    specs = builtin_specs()
    spec = _named(name, specs)
    if spec is None:
        specs += installed_specs()
        spec = _named(name, specs)
    loadable = [spec.name for spec in specs if spec.load and not spec.problem]
    if spec is None:
        raise RuntimeNotFoundError(name, loadable)
    if spec.problem or not spec.load:
        raise RuntimeUnavailableError(name, spec.problem or NO_SUPPORT, loadable)
    from importlib import import_module

    module, _, attribute = spec.load.partition(":")
    try:
        make: Callable[[], Runtime] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RuntimeUnavailableError(name, f"cannot be loaded from {spec.load}: {error}", loadable) from error
    return make()


def _named(name: str, specs: Iterable[RuntimeSpec]) -> RuntimeSpec | None:
    return next((spec for spec in specs if spec.name == name), None)


def _loaded(entry_point: EntryPoint) -> RuntimeSpec:
    try:
        spec = entry_point.load()
    except Exception as error:  # noqa: BLE001  # the code of others, which must not break what does not need it
        problem = f"{entry_point.value} cannot be loaded: {type(error).__name__}: {error}"
    else:
        if isinstance(spec, RuntimeSpec) and spec.name == entry_point.name:
            return spec
        problem = f"{entry_point.value} is not a RuntimeSpec named {entry_point.name!r}"
    return RuntimeSpec(name=entry_point.name, priority=_LAST, problem=problem)


def _in_pod(environ: Mapping[str, str]) -> Usability:
    if KUBERNETES_SERVICE_HOST.value(environ):
        return Usability(usable=True, reason="this is a pod (KUBERNETES_SERVICE_HOST is set)")
    return Usability(usable=False, reason="this is not a pod (KUBERNETES_SERVICE_HOST is not set)")


def _on_posix(_environ: Mapping[str, str]) -> Usability:
    if os.name == "posix":
        return Usability(usable=True, reason="needs nothing; servers are not isolated from this machine")
    return Usability(usable=False, reason="works on Linux and macOS only")
