"""``workloads list``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("list_",)


@click.command("list", cls=Verb, finds=True)
@click.option("--all", "-a", "everything", is_flag=True, help="Show those that do not run, too.")
@click.option("--group", "-g", metavar="GROUP", help="Show those of this group.")
@click.option(
    "--label",
    "-l",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    callback=options.pairs,
    help="Show those with this label; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def list_(invocation: Invocation, everything: bool, group: str | None, labels: dict[str, str], as_json: bool) -> None:
    """List workloads, sorted by name: those that run, or all of them with --all.

    On a terminal this is a table; elsewhere the columns are plain, a missing value is "-", and the first line is the
    header.

    \b
    Examples:
      workloads list --all
      workloads ls --group engineering --label team=search
      workloads list --json | jq -r '.[].url'
    """
    from workloads.cli import render, terminal

    with invocation.manager() as manager:
        found = manager.list_workloads(all=True) if group is None else manager.list_workloads_in_group(group)
    shown = render.select(found, everything=everything, labels=labels)
    now = datetime.now(UTC)
    rows = [render.row(workload, now) for workload in shown]
    if as_json:
        click.echo(json.dumps([render.workload_view(workload) for workload in shown], indent=2))
    elif rows and terminal.is_terminal():
        terminal.print_table(render.HEADER, rows)
    elif rows:
        click.echo(render.columns([render.HEADER, *rows]))
    elif found and not everything and not labels:
        click.echo("no workload runs; `workloads list --all` shows the others", err=True)
    else:
        click.echo("no workloads", err=True)
