"""``workloads detect``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("detect",)

_HEADER = ("RUNTIME", "USABLE", "WHERE", "WHY")


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.pass_obj
def detect(invocation: Invocation, as_json: bool) -> None:
    """Tell which runtime new workloads get, and of every other one why it could, or could not, be used.

    The choice is --runtime, else WORKLOADS_RUNTIME, else TOOLHIVE_RUNTIME, else the first usable one of the list.

    \b
    Examples:
      workloads detect
      workloads detect --json | jq -r .runtime
    """
    from workloads.cli import render, terminal
    from workloads.cli.text import escape
    from workloads.factory import detect_runtime

    found = detect_runtime(invocation.runtime)
    if as_json:
        click.echo(json.dumps(render.detection_view(found), indent=2))
        return
    rows = [
        tuple(escape(cell) or "-" for cell in (each.name, "yes" if each.usable else "no", each.endpoint, each.reason))
        for each in found.candidates
    ]
    click.echo(f"{escape(f'{found.runtime}: {found.reason}')}\n")
    if terminal.is_terminal():
        terminal.print_table(_HEADER, rows)
    else:
        click.echo(render.columns([_HEADER, *rows]))
    for warning in found.warnings:
        click.echo(f"warning: {escape(warning)}", err=True)
