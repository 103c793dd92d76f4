"""The suite that every storage of sessions passes, for pytest."""

from __future__ import annotations

from workloads.testing.storages.changing import ChangingTests
from workloads.testing.storages.coherence import CoherenceTests
from workloads.testing.storages.expiring import ExpiringTests
from workloads.testing.storages.hooks import StorageHooks
from workloads.testing.storages.keeping import KeepingTests
from workloads.testing.storages.living import LivingTests
from workloads.testing.storages.model import ModelTests

__all__ = ("StorageConformance", "StorageHooks")


class StorageConformance(KeepingTests, ChangingTests, ExpiringTests, LivingTests, CoherenceTests, ModelTests):
    """What holds for every :class:`workloads.session.Storage`, in the loop of asyncio and in that of uvloop.

    Subclass it in a test module, give it the hooks of :class:`StorageHooks`, and pytest runs it. A storage that has
    ``peek`` is taken for a :class:`workloads.session.CoherentStorage`.
    """
