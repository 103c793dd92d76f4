"""The fakes satisfy the protocols. Type checkers read this; nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.testing import InMemoryManager
from workloads.testing._facade import Blocking

if TYPE_CHECKING:
    from workloads import Manager
    from workloads.aio import AsyncManager


def a_manager_in_memory_is_one() -> Manager:
    return InMemoryManager()


def an_asyncio_manager_behind_the_sync_verbs_is_one(manager: AsyncManager) -> Manager:
    return Blocking(manager)
