"""Keeps a machine or a workload awake while somebody uses it, and lets it sleep when nobody does.

Usable alone. A *toggler* forbids and allows sleeping on one platform; a *controller* decides when, from who holds it
awake and who has disabled sleeping. Middleware for ASGI and WSGI, an HTTP API and helpers for work in the background
hold it for you. :mod:`workloads.scaletozero.aio` has the same for asyncio.

Example:
    >>> from workloads.scaletozero import NoopController
    >>> controller = NoopController()
    >>> with controller.hold("import", reason="nightly"):
    ...     [hold.owner for hold in controller.status().holds]
    ['import']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.scaletozero._switch import Backoff
    from workloads.scaletozero.background import hold_process, hold_while, holding
    from workloads.scaletozero.controller import DebouncedController
    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.noop import NoopController
    from workloads.scaletozero.oneshot import OneShot
    from workloads.scaletozero.protocols import (
        AsyncController,
        AsyncToggler,
        AsyncTogglerWithState,
        Controller,
        Toggler,
        TogglerState,
        TogglerWithState,
    )
    from workloads.scaletozero.status import Counters, DisableStatus, HoldStatus, Owed, Status
    from workloads.scaletozero.stores import DisableStore, FileDisableStore, StoredDisable

__all__ = (
    "AsyncController",
    "AsyncToggler",
    "AsyncTogglerWithState",
    "Backoff",
    "Controller",
    "Counters",
    "DebouncedController",
    "DisableStatus",
    "DisableStore",
    "FileDisableStore",
    "Hold",
    "HoldStatus",
    "NoopController",
    "OneShot",
    "Owed",
    "Status",
    "StoredDisable",
    "Toggler",
    "TogglerState",
    "TogglerWithState",
    "hold_process",
    "hold_while",
    "holding",
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "_switch": ("Backoff",),
        "background": ("hold_process", "hold_while", "holding"),
        "controller": ("DebouncedController",),
        "holds": ("Hold",),
        "noop": ("NoopController",),
        "oneshot": ("OneShot",),
        "protocols": (
            "AsyncController",
            "AsyncToggler",
            "AsyncTogglerWithState",
            "Controller",
            "Toggler",
            "TogglerState",
            "TogglerWithState",
        ),
        "status": ("Counters", "DisableStatus", "HoldStatus", "Owed", "Status"),
        "stores": ("DisableStore", "FileDisableStore", "StoredDisable"),
    },
)
