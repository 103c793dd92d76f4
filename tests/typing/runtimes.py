"""The runtimes of this package are what the protocols say. Checked by type checkers, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.runtimes.process.runtime import ProcessRuntime

if TYPE_CHECKING:
    from workloads.runtimes.process.replica import ProcessReplica
    from workloads.runtimes.protocol import Replica, Runtime


def runtime() -> Runtime:
    return ProcessRuntime()


def replica(process: ProcessReplica) -> Replica:
    return process
