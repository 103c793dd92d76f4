"""``workloads prune``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("prune",)


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print the names as an array.")
@click.pass_obj
def prune(invocation: Invocation, as_json: bool) -> None:
    """Remove what is left of workloads that no longer exist: processes, logs and records without a run config.

    Workloads that exist are left alone, whatever their status.

    \b
    Example:
      workloads prune
    """
    from workloads.cli.text import escape

    with invocation.local_manager() as manager:
        names = manager.prune()
    if as_json:
        click.echo(json.dumps(names))
        return
    for name in names:
        click.echo(f"{escape(name)}: removed what was left")
    if not names:
        click.echo("nothing is left over", err=True)
