"""For people who test programs that use this library, or who write managers of their own.

:class:`InMemoryManager` is a whole manager without any workload behind it, for unit tests; it needs nothing but this
package. :class:`ManagerConformance` is the suite that every manager passes, and :class:`StorageConformance` that of
storages of sessions, both for pytest: they need the extra ``testing``.
:mod:`workloads.testing.crashes` ends a process at a chosen system call, to prove that nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.testing.behaviour import ServerBehaviour
    from workloads.testing.conformance import ManagerConformance
    from workloads.testing.memory import InMemoryManager
    from workloads.testing.storages import StorageConformance

__all__ = ("InMemoryManager", "ManagerConformance", "ServerBehaviour", "StorageConformance")

__getattr__, __dir__ = exports(
    __name__,
    {
        "behaviour": ("ServerBehaviour",),
        "conformance": ("ManagerConformance",),
        "memory": ("InMemoryManager",),
        "storages": ("StorageConformance",),
    },
)
