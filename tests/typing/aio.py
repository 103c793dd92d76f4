"""Managers for asyncio as users write them. Type checkers read this; nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from workloads import (
    Capability,
    Completion,
    LocalManager,
    Manager,
    RunConfig,
    Workload,
    WorkloadEvent,
    WorkloadGrouping,
    WorkloadLifecycle,
    WorkloadLogs,
    WorkloadReader,
    WorkloadsError,
    WorkloadWatcher,
)
from workloads.aio import (
    AsyncManager,
    AsyncStream,
    AsyncWorkloadGrouping,
    AsyncWorkloadLifecycle,
    AsyncWorkloadLogs,
    AsyncWorkloadReader,
    AsyncWorkloadWatcher,
    new_manager,
    to_async,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

manager: Manager = LocalManager()
reader: WorkloadReader = LocalManager()
lifecycle: WorkloadLifecycle = LocalManager()
logs: WorkloadLogs = LocalManager()
grouping: WorkloadGrouping = LocalManager()
watcher: WorkloadWatcher = LocalManager()

async_manager: AsyncManager = to_async(LocalManager(), workers=2)
async_reader: AsyncWorkloadReader = async_manager
async_lifecycle: AsyncWorkloadLifecycle = async_manager
async_logs: AsyncWorkloadLogs = async_manager
async_grouping: AsyncWorkloadGrouping = async_manager
async_watcher: AsyncWorkloadWatcher = async_manager


async def runs_and_observes(config: RunConfig) -> None:
    async with await new_manager("process") as manager:
        assert_type(manager, AsyncManager)
        assert_type(manager.capabilities, frozenset[Capability])
        assert_type(await manager.run_workload_detached(config, wait=30), Workload)
        assert_type(await manager.list_workloads(all=True), list[Workload])
        assert_type(await manager.get_run_config("notes"), RunConfig)
        assert_type(await manager.does_workload_exist("notes"), bool)


async def ends(manager: AsyncWorkloadLifecycle) -> None:
    completion = await manager.stop_workloads(["notes"], grace=5.0)
    assert_type(completion, Completion)
    assert_type(await completion, dict[str, WorkloadsError | None])


async def reads(manager: AsyncManager) -> None:
    async with manager.get_logs("notes", follow=True) as lines:
        assert_type(lines, AsyncStream[str])
        async for line in lines:
            assert_type(line, str)
    async for event in manager.watch_workloads():
        assert_type(event, WorkloadEvent)
    iterator: AsyncIterator[str] = await manager.get_proxy_logs("notes")
    assert_type(await anext(iterator), str)
