"""``workloads restart``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("restart",)


@click.command(cls=Verb, finds=True)
@options.selection
@options.grace
@click.pass_obj
def restart(
    invocation: Invocation, names: tuple[str, ...], everything: bool, group: str | None, grace: float
) -> ExitCode:
    """Stop workloads, start them again, and wait until they are ready.

    A stopped one that is named is started; --all and --group leave stopped ones alone. All are attempted, at once; the
    exit code is 1 if any failed.

    \b
    Examples:
      workloads restart time
      workloads restart --group engineering
    """
    from workloads.cli.commands import _batch

    with invocation.manager() as manager:
        chosen = _batch.choose(manager, names, everything=everything, group=group, wanted=_batch.not_stopped)
        completion = manager.restart_workloads(chosen, grace=grace)
        return _batch.report(completion, "restarting", _batch.where_it_runs(manager))
