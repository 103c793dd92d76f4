"""For people who test programs that use this library, or who write managers of their own.

:class:`InMemoryManager` is a whole manager without any workload behind it, for unit tests; it needs nothing but this
package. :class:`ManagerConformance` is the suite that every manager passes, and :class:`StorageConformance` that of
storages of sessions; :class:`ControllerConformance` and :class:`TogglerConformance` are those of scale to zero. They
are for pytest and need the extra ``testing``.
:mod:`workloads.testing.crashes` ends a process at a chosen system call, to prove that nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.testing.behaviour import ServerBehaviour
    from workloads.testing.conformance import ManagerConformance
    from workloads.testing.conformance.controllers import ControllerConformance
    from workloads.testing.conformance.togglers import TogglerConformance
    from workloads.testing.memory import InMemoryManager
    from workloads.testing.storages import StorageConformance

__all__ = (
    "ControllerConformance",
    "InMemoryManager",
    "ManagerConformance",
    "ServerBehaviour",
    "StorageConformance",
    "TogglerConformance",
)

__getattr__, __dir__ = exports(
    __name__,
    {
        "behaviour": ("ServerBehaviour",),
        "conformance": ("ManagerConformance",),
        "conformance.controllers": ("ControllerConformance",),
        "conformance.togglers": ("TogglerConformance",),
        "memory": ("InMemoryManager",),
        "storages": ("StorageConformance",),
    },
)
