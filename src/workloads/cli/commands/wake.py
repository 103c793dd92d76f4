"""``workloads wake``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb
from workloads.cli.options import Seconds

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("wake",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.option(
    "--timeout", type=Seconds(min=0), default=60.0, show_default=True, metavar="SECONDS",
    help="How long it may take to be ready.",
)  # fmt: skip
@click.pass_obj
def wake(invocation: Invocation, name: str, timeout: float) -> None:
    """Wake a workload that sleeps, and wait until it is ready. It sleeps again when nobody uses it.

    \b
    Examples:
      workloads wake notes --timeout 10
    """
    from workloads.cli.text import escape

    with invocation.local_manager() as manager:
        workload = manager.wake_workload(name, timeout=timeout)
    click.echo(escape(f"{name} is awake" + (f" at {workload.url}" if workload.url else "")))
