"""``workloads group``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from workloads.cli.app import CONTEXT, Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("group",)


@click.group(context_settings=CONTEXT)
def group() -> None:
    """Create, list and remove groups of workloads.

    A workload belongs to one group: that of `run --group`, else `default`, which always exists.

    \b
    Examples:
      workloads group create engineering
      workloads run time uvx://mcp-server-time --group engineering
      workloads list --group engineering
    """


@group.command(cls=Verb)
@click.argument("name")
@click.pass_obj
def create(invocation: Invocation, name: str) -> None:
    """Create a group.

    \b
    Example:
      workloads group create engineering
    """
    from workloads.factory import new_group_manager

    with invocation.manager() as manager:
        new_group_manager(manager).create(name)
    click.echo(f"{name}: created")


@group.command("list", cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def list_(invocation: Invocation, as_json: bool) -> None:
    """List groups with the number of their workloads.

    \b
    Example:
      workloads group list
    """
    from workloads.cli import render, terminal
    from workloads.factory import new_group_manager

    with invocation.manager() as manager:
        members = {
            found.name: [workload.name for workload in manager.list_workloads_in_group(found.name)]
            for found in new_group_manager(manager).list()
        }
    header, rows = ("NAME", "WORKLOADS"), [(name, str(len(names))) for name, names in members.items()]
    if as_json:
        click.echo(json.dumps([{"name": name, "workloads": names} for name, names in members.items()], indent=2))
    elif terminal.is_terminal():
        terminal.print_table(header, rows)
    else:
        click.echo(render.columns([header, *rows]))


@group.command(cls=Verb, finds=True)
@click.argument("name")
@click.option("--move-to", metavar="GROUP", help="Move its workloads to this group first.")
@click.pass_obj
def rm(invocation: Invocation, name: str, move_to: str | None) -> None:
    """Remove a group. One that has workloads is kept, unless --move-to says where they go.

    \b
    Example:
      workloads group rm engineering --move-to default
    """
    from workloads.factory import new_group_manager

    with invocation.manager() as manager:
        new_group_manager(manager).delete(name, move_members_to=move_to)
    click.echo(f"{name}: removed")
