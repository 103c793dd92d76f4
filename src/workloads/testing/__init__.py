"""For people who test programs that use this library, or who write managers of their own.

:class:`InMemoryManager` is a whole manager without any workload behind it, for unit tests; it needs nothing but this
package. :class:`ManagerConformance` is the suite that every manager passes, for pytest: it needs the extra ``testing``.
:mod:`workloads.testing.crashes` ends a process at a chosen system call, to prove that nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.testing.behaviour import ServerBehaviour
    from workloads.testing.conformance import ManagerConformance
    from workloads.testing.memory import InMemoryManager

__all__ = ("InMemoryManager", "ManagerConformance", "ServerBehaviour")

_MODULES = {"InMemoryManager": "memory", "ManagerConformance": "conformance", "ServerBehaviour": "behaviour"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
