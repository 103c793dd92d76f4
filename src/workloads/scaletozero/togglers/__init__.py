"""Togglers: what forbids and allows sleeping on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workloads.scaletozero.togglers.noop import NoopToggler
    from workloads.scaletozero.togglers.process import ProcessToggler
    from workloads.scaletozero.togglers.unikraft import UnikraftToggler

__all__ = ("NoopToggler", "ProcessToggler", "UnikraftToggler")

_HOMES = {
    "NoopToggler": "noop",
    "ProcessToggler": "process",
    "UnikraftToggler": "unikraft",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
