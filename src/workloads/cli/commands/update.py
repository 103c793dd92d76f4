"""``workloads update``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workloads.cli import options
from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.exit_codes import ExitCode
    from workloads.cli.invocation import Invocation

__all__ = ("update",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.option(
    "--from-config",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    required=True,
    help="The new run config, JSON or YAML; - is standard input.",
)
@options.grace
@click.pass_obj
def update(invocation: Invocation, name: str, file: Path, grace: float) -> ExitCode:
    """Replace the run config of a workload, and run the new one if the workload runs.

    It keeps its name, and its port unless FILE names one. The new run config is stored only when its server is ready;
    when that fails, the workload runs again as before and the exit code is 1.

    \b
    Examples:
      workloads get time --config > time.json
      workloads update time --from-config time.json
    """
    from workloads.cli.commands import _batch
    from workloads.cli.documents import read_run_config

    config = read_run_config(file)
    with invocation.manager() as manager:
        completion = manager.update_workload(name, config.evolve(name=config.name or name), grace=grace)
        return _batch.report(completion, "updating", _batch.where_it_runs(manager))
