"""What is checked before a workload is started, wherever it is started from."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from workloads._core.paths import DEFAULT_APP
from workloads.errors import Problem, RunConfigError

if TYPE_CHECKING:
    from workloads._core.paths import Paths
    from workloads.config import RunConfig
    from workloads.runtimes.protocol import Runtime

__all__ = ("admit", "headers_of", "problems", "secrets_of")

_log = logging.getLogger(__name__)


def problems(config: RunConfig, runtime: Runtime, *, app: str = DEFAULT_APP) -> list[Problem]:
    """Everything that a run config asks for and this build, or this runtime, cannot give."""
    from workloads.proxyrunner.options import RunnerOptions

    # Of a remote server nothing runs here that a runtime could refuse.
    found = runtime.refusals(config) if not config.remote_url else []
    try:
        RunnerOptions.of(config, os.environ)
    except RunConfigError as error:
        # Some keys are refused by both; the runtime says more of what to use instead.
        refused = {problem.path for problem in found}
        found = [*(problem for problem in error.problems if problem.path not in refused), *found]
    if config.base_name not in ("", config.name):
        found.append(Problem("base_name", f"must be empty or the name {config.name!r}, got {config.base_name!r}"))
    if config.idle_timeout and app != DEFAULT_APP:
        found.append(Problem("idle_timeout", f"{app} does not know that a workload may sleep; leave it out"))
    return found


def admit(config: RunConfig, runtime: Runtime, *, app: str = DEFAULT_APP) -> None:
    """Check that this build and this runtime can give everything that a run config asks for.

    Args:
        config: The run config.
        runtime: What shall execute it.
        app: Whose folder it is kept in.

    Raises:
        RunConfigError: They cannot; lists every such key.
        CommandNotFoundError: The program it needs is not on this machine.
    """
    from workloads.config import unenforced_limits, unenforced_warnings

    if found := problems(config, runtime, app=app):
        raise RunConfigError(found)
    for key in unenforced_warnings(config):
        _log.warning("%s has no effect in this version", key, extra={"workload": config.name})
    for problem in unenforced_limits(config):
        _log.warning("%s", problem, extra={"workload": config.name})
    if not config.remote_url:
        runtime.preflight(config)


def secrets_of(config: RunConfig, paths: Paths, *, app: str = DEFAULT_APP) -> dict[str, str]:
    """The secrets that a run config refers to: environment variable and value. Keep them in memory only.

    Args:
        config: The run config.
        paths: The application folder, whose secrets are asked.
        app: Whose folder it is.

    Raises:
        SecretNotFoundError: Some are not known; lists all of them.
        SecretStoreUnavailableError: What keeps them cannot be used.
        SecretProviderNotFoundError: The environment names a provider of secrets that does not exist.
        InvalidNameError: One is internal to ToolHive or to this library.
    """
    if not config.secrets:
        return {}
    from workloads.config import parse_secret
    from workloads.secrets import default_provider, resolve

    return resolve([parse_secret(text) for text in config.secrets], default_provider(paths, app=app))


def headers_of(config: RunConfig, paths: Paths, *, app: str = DEFAULT_APP) -> dict[str, str]:
    """The headers for a remote server whose values are secrets: name and value. Keep them in memory only.

    Args:
        config: The run config.
        paths: The application folder, whose secrets are asked.
        app: Whose folder it is.

    Raises:
        WorkloadsError: As :func:`secrets_of` does.
    """
    if config.header_forward is None or not config.header_forward.add_headers_from_secret:
        return {}
    from workloads.config import SecretReference
    from workloads.secrets import default_provider, resolve

    wanted = config.header_forward.add_headers_from_secret.items()
    return resolve([SecretReference(secret, name) for name, secret in wanted], default_provider(paths, app=app))
