"""What the command line says on top of a run config. Pure: no I/O."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("overridden",)

# Options whose key has another name.
_KEYS = {"replicas": "backend_replicas"}


def overridden(
    document: dict[str, Any],
    *,
    name: str | None = None,
    source: str | None = None,
    rest: tuple[str, ...] = (),
    env: Mapping[str, str] = MappingProxyType({}),
    secrets: tuple[str, ...] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
    **plain: str | int | None,
) -> dict[str, Any]:
    """The document of a run config with what the command line says on top.

    Args:
        document: What a file said; it is not changed.
        name: The name of the workload.
        source: What to run: a package, an image or a URL.
        rest: What followed ``--``.
        env: Variables, added to those of the document.
        secrets: References to secrets, added to those of the document.
        labels: Labels, added to those of the document.
        plain: Options that stand for one key each; None leaves the key alone.
    """
    result: dict[str, Any] = document | {
        _KEYS.get(option, option): value for option, value in plain.items() if value is not None
    }
    if name is not None:
        result["name"] = name
    if source is not None and source.startswith(("http://", "https://")):
        result["remote_url"] = source
        result.setdefault("transport", "streamable-http")
    elif source is not None:
        result["image"] = source
    if rest:
        result["cmd_args" if result.get("image") else "command"] = list(rest)
    if env:
        result["env_vars"] = dict(result.get("env_vars") or {}) | dict(env)
    if secrets:
        result["secrets"] = [*(result.get("secrets") or []), *secrets]
    if labels:
        result["container_labels"] = dict(result.get("container_labels") or {}) | dict(labels)
    return result
