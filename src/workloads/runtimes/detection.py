"""Which runtime to use here, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core.variables import KUBERNETES_SERVICE_HOST, RUNTIME
from workloads.errors import MissingDependencyError, RuntimeNotFoundError, RuntimeUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from workloads.runtimes.registry import RuntimeSpec, Usability

__all__ = ("Candidate", "Detection", "choose_runtime", "detect_runtime", "has_extra")


@attrs.frozen(kw_only=True)
class Candidate:
    """A runtime that could be chosen.

    Attributes:
        name: Its name.
        priority: Its place in the automatic choice; lower comes first.
        usable: Whether it can be used here.
        reason: Why or why not, for people.
        endpoint: Where it was found, such as ``unix:///var/run/docker.sock``; empty where that means nothing.
        missing_extra: The extra of this package that has to be installed for it; empty when none is missing.
    """

    name: str
    priority: int
    usable: bool
    reason: str
    endpoint: str = ""
    missing_extra: str = ""


@attrs.frozen(kw_only=True)
class Detection:
    """Which runtime is chosen, and why.

    Attributes:
        runtime: The chosen one. In a pod this is ``kubernetes`` even if it cannot be used, which its candidate tells.
        reason: Why it was chosen.
        candidates: Every runtime there is, in the order of the automatic choice.
        warnings: What a user should know, such as a running engine that is not used.
    """

    runtime: str
    reason: str
    candidates: tuple[Candidate, ...]
    warnings: tuple[str, ...] = ()

    @property
    def chosen(self) -> Candidate:
        """The candidate that was chosen."""
        return next(candidate for candidate in self.candidates if candidate.name == self.runtime)


def has_extra(extra: str) -> bool:
    """Whether what an extra of this package brings is installed.

    Args:
        extra: The extra, which brings a module of the same name.
    """
    from importlib.util import find_spec

    spec = find_spec(extra)
    # A mere folder of that name in the working folder is a namespace package, which has no origin.
    return spec is not None and spec.origin is not None


def detect_runtime(
    runtime: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/"),
    entry_points: Iterable[EntryPoint] | None = None,
    installed: Callable[[str], bool] = has_extra,
) -> Detection:
    """Choose the runtime for new workloads, and explain the choice.

    It is the argument, else ``WORKLOADS_RUNTIME``, else ``TOOLHIVE_RUNTIME``, else ``kubernetes`` in a pod, else a live
    Docker or Podman engine, else ``process``. Podman comes first when ``CONTAINER_HOST`` or a variable for its socket
    is set.

    Args:
        runtime: The runtime to use, whatever else there is; None chooses.
        environ: The environment; None is that of this process.
        root: The root of the file system, to look for sockets below another one.
        entry_points: What registers further runtimes; None takes the installed packages'.
        installed: Tells whether an extra of this package is installed.

    Raises:
        RuntimeNotFoundError: The runtime asked for does not exist; lists the usable ones.
        RuntimeUnavailableError: It cannot be used here; says why, and lists the usable ones.
    """
    environ = os.environ if environ is None else environ
    specs = _specs(environ, root, entry_points)
    candidates = tuple(_candidate(spec, environ, installed) for spec in specs)
    warnings = tuple(f"runtime {spec.name!r} cannot be used: {spec.problem}" for spec in specs if spec.problem)
    forced, source = _forced(runtime, environ)
    if forced is not None:
        _check_forced(forced, candidates)
        return Detection(runtime=forced, reason=f"asked for by {source}", candidates=candidates, warnings=warnings)
    for candidate in candidates:
        if candidate.usable or (candidate.name == "kubernetes" and KUBERNETES_SERVICE_HOST.value(environ)):
            if candidate.name == "process":
                warnings += _passed_over(candidates)
            return Detection(runtime=candidate.name, reason=candidate.reason, candidates=candidates, warnings=warnings)
    raise RuntimeUnavailableError("process", candidates[-1].reason)


def choose_runtime(runtime: str | None = None, *, environ: Mapping[str, str] | None = None) -> str:
    """The name of the runtime for new workloads, as :func:`detect_runtime` chooses it. Its warnings are logged.

    When ``process`` is asked for, nothing is looked for, so nothing is imported for it.

    Args:
        runtime: The runtime to use; None chooses.
        environ: The environment; None is that of this process.

    Raises:
        RuntimeNotFoundError: The runtime asked for does not exist; lists the usable ones.
        RuntimeUnavailableError: It cannot be used here; says why, and lists the usable ones.
        MissingDependencyError: This is a pod, and the extra ``kubernetes`` is not installed.
    """
    environ = os.environ if environ is None else environ
    if _forced(runtime, environ)[0] == "process" and os.name == "posix":
        return "process"
    detection = detect_runtime(runtime, environ=environ)
    chosen = detection.chosen
    if chosen.missing_extra:
        purpose = f"runtime {chosen.name!r}, which is used in a pod unless {RUNTIME.names[0]} names another,"
        raise MissingDependencyError(chosen.missing_extra, purpose)
    if not chosen.usable:
        raise RuntimeUnavailableError(chosen.name, chosen.reason, _usable(detection.candidates))
    if detection.warnings:
        import logging

        for warning in detection.warnings:
            logging.getLogger(__name__).warning(warning, extra={"runtime": detection.runtime})
    return detection.runtime


def _forced(runtime: str | None, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The runtime that is asked for, and by what."""
    if runtime is not None:
        return runtime, "the caller"
    source = RUNTIME.source(environ)
    return (environ[source], source) if source else (None, "")


def _specs(environ: Mapping[str, str], root: Path, entry_points: Iterable[EntryPoint] | None) -> list[RuntimeSpec]:
    """Every runtime there is, in the order of the automatic choice."""
    from workloads.runtimes.engines import Engines, prefers_podman
    from workloads.runtimes.registry import builtin_specs, installed_specs

    specs = [*builtin_specs(Engines(root=root)), *installed_specs(entry_points)]
    if prefers_podman(environ):
        docker = next(spec.priority for spec in specs if spec.name == "docker")
        specs = [attrs.evolve(spec, priority=docker - 1) if spec.name == "podman" else spec for spec in specs]
    return sorted(specs, key=lambda spec: (spec.priority, spec.name))


def _candidate(spec: RuntimeSpec, environ: Mapping[str, str], installed: Callable[[str], bool]) -> Candidate:
    from workloads.runtimes.registry import NO_SUPPORT

    found = _detected(spec, environ)
    missing = spec.extra if found.usable and spec.extra and not installed(spec.extra) else ""
    lacks = [NO_SUPPORT] if found.usable and not spec.load else []
    if missing:
        lacks.append(f"its extra is not installed (pip install 'workloads[{missing}]')")
    return Candidate(
        name=spec.name,
        priority=spec.priority,
        usable=found.usable and not lacks,
        reason=f"{found.reason}, but {' and '.join(lacks)}" if lacks else found.reason,
        endpoint=found.endpoint,
        missing_extra=missing,
    )


def _detected(spec: RuntimeSpec, environ: Mapping[str, str]) -> Usability:
    from workloads.runtimes.registry import Usability

    if spec.problem:
        return Usability(usable=False, reason=spec.problem)
    try:
        return spec.detect(environ)
    except Exception as error:  # noqa: BLE001  # the code of others, which must not break what does not need it
        return Usability(usable=False, reason=f"looking for it failed: {type(error).__name__}: {error}")


def _check_forced(forced: str, candidates: Sequence[Candidate]) -> None:
    candidate = next((candidate for candidate in candidates if candidate.name == forced), None)
    if candidate is None:
        raise RuntimeNotFoundError(forced, _usable(candidates))
    if not candidate.usable:
        raise RuntimeUnavailableError(forced, candidate.reason, _usable(candidates))


def _usable(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.name for candidate in candidates if candidate.usable)


def _passed_over(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """A warning for each engine that is there and cannot be used."""
    return tuple(
        f"{candidate.name}: {candidate.reason}; new workloads run as local processes, which are not isolated"
        for candidate in candidates
        if candidate.endpoint and not candidate.usable
    )
