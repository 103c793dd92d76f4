"""Docker contexts: which engine the ``docker`` command of this user talks to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workloads._core import variables

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("context_host", "context_name")

_DEFAULT = "default"


def context_name(environ: Mapping[str, str]) -> str:
    """The Docker context in use; empty for the one that goes by ``DOCKER_HOST`` and well-known places.

    As that command has it: ``DOCKER_CONTEXT``, else that of ``docker context use``, unless ``DOCKER_HOST`` is set.

    Args:
        environ: The environment.
    """
    if variables.DOCKER_HOST.value(environ):
        return ""
    name = variables.DOCKER_CONTEXT.value(environ)
    if not name and (folder := _folder(environ)) is not None:
        name = _text(_read(folder / "config.json").get("currentContext"))
    return "" if name == _DEFAULT else name


def context_host(environ: Mapping[str, str], name: str) -> str:
    """The address of the engine of a Docker context; empty when there is no such context, or it has none.

    Args:
        environ: The environment, which says where contexts are kept.
        name: The context.
    """
    folder = _folder(environ)
    if folder is None:
        return ""
    about = _read(folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json")
    return _text(_object(_object(about.get("Endpoints")).get("docker")).get("Host"))


def _folder(environ: Mapping[str, str]) -> Path | None:
    """Where the ``docker`` command keeps its configuration."""
    given = variables.DOCKER_CONFIG.value(environ)
    if given.startswith("/"):
        return Path(given)
    home = variables.HOME.value(environ)
    return Path(home, ".docker") if home.startswith("/") else None


def _read(path: Path) -> dict[str, Any]:
    """What a file of the ``docker`` command says; nothing when it cannot be read, as it is not ours to complain of."""
    try:
        return _object(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
