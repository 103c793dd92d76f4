"""``workloads recover``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("recover",)


@click.command(cls=Verb)
@click.pass_obj
def recover(invocation: Invocation) -> ExitCode:
    """Start again every workload that a crash, or the end of the machine, has ended.

    Those that were stopped stay stopped, and those that run are left alone. The place for it is where the machine
    starts up.

    \b
    Example:
      workloads recover
    """
    from workloads.cli.commands import _batch

    with invocation.local_manager() as manager:
        return _batch.report(manager.recover(), "recovering", lambda name: manager.get_workload(name).status.value)
