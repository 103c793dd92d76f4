"""Scale to zero for asyncio. The names are those of :mod:`workloads.scaletozero`."""

from __future__ import annotations

from workloads.scaletozero._adapter import to_async_toggler
from workloads.scaletozero._aio_background import hold_process, hold_while, holding
from workloads.scaletozero._aio_controller import DebouncedController
from workloads.scaletozero.noop import AsyncNoopController as NoopController
from workloads.scaletozero.oneshot import AsyncOneShot as OneShot

__all__ = (
    "DebouncedController",
    "NoopController",
    "OneShot",
    "hold_process",
    "hold_while",
    "holding",
    "to_async_toggler",
)
