"""``workloads get``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("get",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print an object, as `list --json` does for each.")
@click.option(
    "--config", is_flag=True, help="Print its run config, from which `run --from-config` can run it elsewhere."
)
@click.pass_obj
def get(invocation: Invocation, name: str, as_json: bool, config: bool) -> None:
    """Show one workload. The exit code is 3 if there is none of that name.

    \b
    Examples:
      workloads get time
      workloads get time --json | jq -r .url
      workloads get time --config > time.json
    """
    from workloads.cli import render

    if as_json and config:
        raise click.UsageError("give --json or --config, not both")
    with invocation.manager() as manager:
        if config:
            click.echo(manager.get_run_config(name).to_json().rstrip("\n"))
            return
        workload = manager.get_workload(name)
    if as_json:
        click.echo(json.dumps(render.workload_view(workload), indent=2))
    else:
        click.echo(render.columns([(f"{label}:", text) for label, text in render.details(workload, datetime.now(UTC))]))
