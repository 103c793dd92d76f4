"""``workloads stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("stop",)


@click.command(cls=Verb, finds=True)
@options.selection
@options.grace
@click.pass_obj
def stop(invocation: Invocation, names: tuple[str, ...], everything: bool, group: str | None, grace: float) -> ExitCode:
    """Stop workloads: requests in flight finish, then the server ends. Stopping a stopped one succeeds.

    All are attempted, at once; the exit code is 1 if any failed.

    \b
    Examples:
      workloads stop time git
      workloads stop --group engineering --grace 5
    """
    from workloads.cli.commands import _batch

    with invocation.manager() as manager:
        chosen = _batch.choose(manager, names, everything=everything, group=group, wanted=_batch.not_stopped)

        def outcome(name: str) -> str:
            context = manager.get_workload(name).status_context
            return f"stopped ({context})" if context else "stopped"

        return _batch.report(manager.stop_workloads(chosen, grace=grace), "stopping", outcome)
