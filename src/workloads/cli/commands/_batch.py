"""What the verbs that work on several workloads have in common."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from workloads.cli import render, terminal
from workloads.cli.exit_codes import ExitCode
from workloads.cli.text import escape
from workloads.errors import BatchError
from workloads.model import WorkloadStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workloads.completion import Completion
    from workloads.errors import WorkloadsError
    from workloads.manager import WorkloadReader
    from workloads.model import Workload

__all__ = ("anything", "choose", "not_stopped", "report", "where_it_runs")

_LOOK_EVERY = 0.1


def choose(
    manager: WorkloadReader,
    names: Sequence[str],
    *,
    everything: bool,
    group: str | None,
    wanted: Callable[[Workload], bool],
) -> list[str]:
    """The names a verb shall work on, from names given or a choice of what there is.

    Args:
        manager: Who knows the workloads.
        names: Names given.
        everything: Whether all were asked for.
        group: The group that was asked for.
        wanted: Which of a choice the verb has something to do for.

    Raises:
        click.UsageError: None of the three was given, or more than one.
        GroupNotFoundError: There is no such group.
    """
    if (bool(names), everything, group is not None).count(True) != 1:
        raise click.UsageError("give names, --all or --group GROUP")
    if names:
        return list(names)
    found = manager.list_workloads(all=True) if group is None else manager.list_workloads_in_group(group)
    return [workload.name for workload in found if wanted(workload)]


def anything(workload: Workload) -> bool:
    """Choose every workload."""
    del workload
    return True


def not_stopped(workload: Workload) -> bool:
    """Choose what runs, or may leave something running."""
    return workload.status is not WorkloadStatus.STOPPED


def where_it_runs(manager: WorkloadReader) -> Callable[[str], str]:
    """How the outcome of a start reads."""

    def outcome(name: str) -> str:
        workload = manager.get_workload(name)
        return f"{workload.status} at {workload.url}" if workload.url else workload.status.value

    return outcome


def report(completion: Completion, doing: str, outcome: Callable[[str], str]) -> ExitCode:
    """Print how each workload fared as soon as that is known.

    Args:
        completion: The work under way.
        doing: What is done, such as ``stopping``.
        outcome: What to say of a workload that was done.

    Returns:
        Whether all succeeded.
    """
    names = completion.names
    if not names:
        click.echo(f"{doing}: nothing to do", err=True)
        return ExitCode.OK
    code = ExitCode.OK
    try:
        with terminal.progress(escape(f"{doing} {', '.join(names)}")) as progress:
            for name, error in _outcomes(completion):
                if error is None:
                    progress.result(escape(f"{name}: {outcome(name)}"))
                else:
                    code = ExitCode.FAILURE
                    progress.result(f"error: {escape(name)}: {render.error_text(error)}", err=True)
    except KeyboardInterrupt:
        if not completion.done():
            click.echo(f"what was begun is finished first ({doing}); Ctrl-C again leaves at once", err=True)
        raise
    return code


def _outcomes(completion: Completion) -> Iterator[tuple[str, WorkloadsError | None]]:
    told: set[str] = set()
    while True:
        with contextlib.suppress(TimeoutError, BatchError):
            completion.wait(timeout=_LOOK_EVERY)
        done = completion.done()  # asked before the results are read, so that none is missed
        for name, error in completion.results().items():
            if name not in told:
                told.add(name)
                yield name, error
        if done:
            return
