"""``workloads sleep``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("sleep",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.pass_obj
def sleep(invocation: Invocation, name: str) -> None:
    """Put a workload with an idle_timeout to sleep now, if nobody uses it; its next request wakes it.

    Whoever uses it is named, and the exit code is 1: a workload in use is never put to sleep. One that sleeps already
    is left alone.

    \b
    Examples:
      workloads sleep notes
    """
    from workloads.cli.text import escape

    with invocation.local_manager() as manager:
        manager.sleep_workload(name)
    click.echo(escape(f"{name} is asleep"))
