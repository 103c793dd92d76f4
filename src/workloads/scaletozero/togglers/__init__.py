"""Togglers: what forbids and allows sleeping on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.scaletozero.togglers.noop import NoopToggler
    from workloads.scaletozero.togglers.process import ProcessToggler
    from workloads.scaletozero.togglers.unikraft import UnikraftToggler

__all__ = ("NoopToggler", "ProcessToggler", "UnikraftToggler")

__getattr__, __dir__ = exports(
    __name__, {"noop": ("NoopToggler",), "process": ("ProcessToggler",), "unikraft": ("UnikraftToggler",)}
)
