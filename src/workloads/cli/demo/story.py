"""The demo itself: start, list, call, logs, stop, delete."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import attrs

from workloads.cli import render, terminal
from workloads.cli.demo.client import call_tool
from workloads.cli.demo.parts import cast
from workloads.cli.demo.record import Record
from workloads.cli.text import escape, escape_lines
from workloads.errors import MissingDependencyError, WorkloadFailedError, WorkloadNotReadyError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.cli.demo.parts import Part
    from workloads.cli.invocation import Invocation
    from workloads.manager import Manager
    from workloads.model import Workload

__all__ = ("play",)

_READY_TIMEOUT = 300.0  # the first time, packages are fetched
_LOOK_EVERY = 0.1
_GRACE = 10.0
_LOG_LINES = 3


def play(invocation: Invocation, say: Callable[[str], None]) -> Record:
    """Play the demo in a private folder, and leave nothing behind, however it ends.

    Args:
        invocation: The global options; the runtime is ``process`` unless they name one.
        say: Takes each line of the narration.

    Raises:
        MissingDependencyError: The client or the server library is not installed.
    """
    if find_spec("mcp") is None or find_spec("fastmcp") is None:
        raise MissingDependencyError("mcp", "the demo")
    record = Record(say)
    with TemporaryDirectory(prefix="workloads-demo-") as folder:
        private = attrs.evolve(invocation, runtime=invocation.runtime or "process", state_dir=Path(folder, "state"))
        with private.manager() as manager:
            parts: list[Part] = []
            with record.step("A private folder, and a small repository for one of the servers"):
                parts, left_out = cast(Path(folder))
                record.left_out += left_out
                say(escape(f"   {folder}"))
                for missing in left_out:
                    say(f"   left out: {missing}")
            if parts:
                try:
                    _show(manager, parts, record)
                finally:
                    _end(manager, [part.config.name for part in parts], record)
    return record


def _show(manager: Manager, parts: Sequence[Part], record: Record) -> None:
    ready: list[tuple[Part, Workload]] = []
    with ThreadPoolExecutor(len(parts), thread_name_prefix="workloads-demo") as pool:
        # Each returns as soon as its proxy runs, so that leaving this block never waits for a slow server.
        started = [pool.submit(manager.run_workload_detached, part.config) for part in parts]
        record.say(f"\nStarting {len(parts)} servers at once; none of them need be installed.")
    for part, future in zip(parts, started, strict=True):
        with record.step(f"Start {part.config.name}"):
            future.result()
            workload = _until_ready(manager, part.config.name)
            ready.append((part, workload))
            record.say(escape(f"   {workload.status} at {workload.url}"))
    with record.step("List them"):
        now = datetime.now(UTC)
        rows = [render.row(workload, now) for workload in manager.list_workloads()]
        record.say("\n".join(f"   {line}" for line in render.columns([render.HEADER, *rows]).split("\n")))
    for part, workload in ready:
        with record.step(f"Call the tool {part.tool} of {workload.name}"):
            answer = call_tool(workload.url, part.tool, part.arguments)
            record.results[workload.name] = answer
            record.say("\n".join(f"   {line}" for line in escape_lines(answer.strip()).split("\n")))
    with record.step("Read their logs"):
        for _, workload in ready:
            for line in _last_lines(manager, workload.name) or ["(it wrote nothing)"]:
                record.say(escape(f"   {workload.name}: {line}"))


def _until_ready(manager: Manager, name: str) -> Workload:
    began = time.monotonic()
    with terminal.progress(f"   {name}: waiting until it answers") if terminal.is_terminal() else nullcontext():
        while True:
            workload = manager.get_workload(name)
            status, context = workload.status, workload.status_context
            if status is WorkloadStatus.RUNNING:
                return workload
            if status is not WorkloadStatus.STARTING:
                raise WorkloadFailedError(name, context or status, logs=_last_lines(manager, name))
            if time.monotonic() - began > _READY_TIMEOUT:
                raise WorkloadNotReadyError(name, waited=_READY_TIMEOUT, status=status, logs=_last_lines(manager, name))
            time.sleep(_LOOK_EVERY)


def _last_lines(manager: Manager, name: str) -> list[str]:
    with manager.get_logs(name, lines=_LOG_LINES) as lines:
        return list(lines)


def _end(manager: Manager, names: Sequence[str], record: Record) -> None:
    with record.step("Stop them"):
        manager.stop_workloads([name for name in names if manager.does_workload_exist(name)], grace=_GRACE).wait()
    with record.step("Delete them"):
        manager.delete_workloads(names, grace=_GRACE).wait()
        if left := manager.list_workloads(all=True):
            raise WorkloadFailedError(left[0].name, "it is still there after it was deleted")
        record.say("   nothing is left")
