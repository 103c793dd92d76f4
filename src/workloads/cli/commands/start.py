"""``workloads start``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("start",)


@click.command(cls=Verb, finds=True)
@options.selection
@click.pass_obj
def start(invocation: Invocation, names: tuple[str, ...], everything: bool, group: str | None) -> ExitCode:
    """Start workloads again from what is kept of them, and wait until they are ready. A running one is left alone.

    All are attempted, at once; the exit code is 1 if any failed.

    \b
    Examples:
      workloads start time
      workloads start --all
    """
    from workloads.cli.commands import _batch

    with invocation.manager() as manager:
        chosen = _batch.choose(manager, names, everything=everything, group=group, wanted=_batch.anything)
        return _batch.report(manager.start_workloads(chosen), "starting", _batch.where_it_runs(manager))
