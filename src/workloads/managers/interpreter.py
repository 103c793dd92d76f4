"""Which interpreter runs the proxy runners, and what it gets of its caller's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.errors import CommandNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("find_interpreter", "runner_environment")

# What a runner needs of its caller's environment: what servers get is chosen from it, the interpreter must find its
# packages, and the variables that this library reads. Everything else may hold somebody's secret.
_INHERITED = frozenset({
    "ALL_PROXY", "CONTAINER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "HOME", "HTTPS_PROXY",
    "HTTP_PROXY", "KUBERNETES_SERVICE_HOST", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "NODE_EXTRA_CA_CERTS", "NO_PROXY",
    "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ",
    "USER", "VIRTUAL_ENV", "all_proxy", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
_INHERITED_PREFIXES = ("COVERAGE_", "LC_", "OTEL_", "TOOLHIVE_", "WORKLOADS_", "XDG_")
# What ends so tells a collector of telemetry who sends to it.
_CONFIDENTIAL_SUFFIX = "_HEADERS"
# Lists of folders by which the interpreter finds its packages. Relative ones would mean others in a runner.
_SEARCHED = ("LD_LIBRARY_PATH", "PYTHONPATH")


def runner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a proxy runner: chosen from ``environ``, without any variable that holds a secret."""
    from workloads.secrets import scrub

    chosen = {
        name: value
        for name, value in environ.items()
        if name in _INHERITED or (name.startswith(_INHERITED_PREFIXES) and not name.endswith(_CONFIDENTIAL_SUFFIX))
    }
    for name in _SEARCHED:
        if name in chosen:
            folders = map(_absolute, filter(None, chosen[name].split(os.pathsep)))
            chosen[name] = os.pathsep.join(filter(None, folders))
    return scrub(chosen)


def find_interpreter(python: str | None) -> str:
    """The absolute path of an interpreter, for programs that run in another working folder.

    Args:
        python: A path, or a name to look for in ``PATH``; None is the interpreter of this program.

    Raises:
        CommandNotFoundError: There is none.
    """
    import shutil

    if not python and not sys.executable:
        raise CommandNotFoundError("python", "this program does not say which one runs it; name one in Settings.python")
    chosen = python or sys.executable
    found = chosen if os.sep in chosen else shutil.which(chosen)
    absolute = _absolute(found) if found else None
    if absolute is None:
        raise CommandNotFoundError(chosen, "Settings.python names it; install it, or give its absolute path")
    return absolute


def _absolute(path: str) -> str | None:
    """The path, from the root; None when it begins in a working folder that is gone."""
    try:
        return str(Path(path).absolute())
    except FileNotFoundError:
        return None
