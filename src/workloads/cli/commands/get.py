"""``workloads get``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation
    from workloads.manager import Manager
    from workloads.model import ReplicaStats, Workload
    from workloads.proxyrunner.control.usage import Usage

__all__ = ("get",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print an object, as `list --json` does, and why it is awake.")
@click.option("--stats", is_flag=True, help="Show what each of its replicas uses, too: memory, CPU time and more.")
@click.option(
    "--config", is_flag=True, help="Print its run config, from which `run --from-config` can run it elsewhere."
)
@click.pass_obj
def get(invocation: Invocation, name: str, as_json: bool, stats: bool, config: bool) -> None:
    """Show one workload, and what keeps it awake. The exit code is 3 if there is none of that name.

    \b
    Examples:
      workloads get time
      workloads get time --json | jq -r .url
      workloads get time --stats
      workloads get time --config > time.json
    """
    from workloads.cli import render

    if config and (as_json or stats):
        raise click.UsageError("give --config alone, without --json and --stats")
    with invocation.manager() as manager:
        if config:
            click.echo(manager.get_run_config(name).to_json().rstrip("\n"))
            return
        workload = manager.get_workload(name)
        usage = _usage(manager, workload)
        figures = _figures(manager, workload) if stats else None
    if as_json:
        view = render.workload_view(workload)
        if usage is not None:
            view["usage"] = usage.to_dict()
        if figures is not None:
            view["stats"] = render.stats_view(figures)
        click.echo(json.dumps(view, indent=2))
        return
    shown = render.details(workload, datetime.now(UTC))
    if usage is not None:
        shown += render.usage_details(usage)
    if figures is not None:
        shown += render.stats_details(figures)
    click.echo(render.columns([(f"{label}:", text) for label, text in shown]))


def _usage(manager: Manager, workload: Workload) -> Usage | None:
    """What keeps it awake; None where its proxy runner cannot be asked."""
    from workloads.errors import WorkloadsError
    from workloads.managers import LocalManager

    if not isinstance(manager, LocalManager) or not workload.status.is_active:
        return None
    try:
        return manager.usage(workload.name)
    except WorkloadsError:
        return None


def _figures(manager: Manager, workload: Workload) -> list[ReplicaStats]:
    """What its replicas use."""
    from workloads.errors import UnsupportedOperationError
    from workloads.managers import LocalManager

    if not isinstance(manager, LocalManager):
        reason = f"what a workload of {workload.runtime} uses is not told here"
        raise UnsupportedOperationError("--stats", reason)
    return manager.get_stats(workload.name)
