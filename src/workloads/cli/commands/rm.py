"""``workloads rm``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("rm",)


@click.command(cls=Verb, finds=True)
@options.selection
@options.grace
@click.option("--yes", "-y", is_flag=True, help="Do not ask before --all or --group.")
@click.pass_obj
def rm(
    invocation: Invocation, names: tuple[str, ...], everything: bool, group: str | None, grace: float, yes: bool
) -> ExitCode:
    """Stop workloads and remove all that is kept of them, run config and logs too.

    Removing one that is not there succeeds and says so. On a terminal, --all and --group ask first. All are attempted,
    at once; the exit code is 1 if any failed.

    \b
    Examples:
      workloads rm time
      workloads rm --all --yes
    """
    from workloads.cli.commands import _batch

    with invocation.manager() as manager:
        chosen = _batch.choose(manager, names, everything=everything, group=group, wanted=_batch.anything)
        if chosen and not names and not yes and sys.stdin is not None and sys.stdin.isatty():
            click.confirm(f"Remove {', '.join(chosen)}?", abort=True, err=True)
        present = {name for name in chosen if not names or manager.does_workload_exist(name)}
        completion = manager.delete_workloads(chosen, grace=grace)
        return _batch.report(completion, "removing", lambda name: "removed" if name in present else "was not there")
