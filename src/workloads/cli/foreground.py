"""A workload that lives as long as the command, its output on this terminal."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import click

from workloads.cli import terminal
from workloads.cli.signals import drain_on_signals
from workloads.cli.text import escape
from workloads.errors import WorkloadNotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator

    from workloads.config import RunConfig
    from workloads.manager import Manager, Stream, WorkloadLogs

__all__ = ("run_in_foreground",)

_LOOK_EVERY = 0.1
_LAST_LINES = 1.0


def run_in_foreground(manager: Manager, config: RunConfig) -> None:
    """Run a workload until it ends or this process is asked to end; then it drains.

    Args:
        manager: Who runs it.
        config: What to run.

    Raises:
        WorkloadsError: It could not be started, or did not stay up.
    """
    with (
        drain_on_signals(),
        terminal.follow_status(manager, config.name, lambda text: click.echo(text, err=True)),
        _output_shown(manager, config.name),
    ):
        manager.run_workload(config)


@contextlib.contextmanager
def _output_shown(manager: WorkloadLogs, name: str) -> Generator[None]:
    """Meanwhile print what the server writes."""
    over = threading.Event()
    streams: list[Stream[str]] = []

    def show() -> None:
        # Until its runner is there, the workload is not known yet, or seems to have ended.
        while not over.is_set() and not _shown_whole(manager, name, streams):
            over.wait(_LOOK_EVERY)

    thread = threading.Thread(target=show, name="workloads-output", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LAST_LINES)
        for stream in streams:
            stream.close()
        thread.join()


def _shown_whole(manager: WorkloadLogs, name: str, streams: list[Stream[str]]) -> bool:
    """Print a stream of logs to its end; tells whether there was anything in it."""
    try:
        stream = manager.get_logs(name, follow=True)
    except WorkloadNotFoundError:
        return False
    streams.append(stream)
    any_line = False
    with stream:
        for line in stream:
            any_line = True
            try:
                click.echo(escape(line))
            except OSError:
                return True  # nobody is left to read it; the workload goes on all the same
    return any_line
