"""``workloads validate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb
from workloads.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("validate",)


@click.command(cls=Verb)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILES...",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects with file, path and message.")
@click.pass_obj
def validate(invocation: Invocation, files: tuple[Path, ...], as_json: bool) -> ExitCode:
    """Tell everything that is wrong with run configs, and what the runtime would refuse. Nothing is run.

    FILES are JSON or YAML; - is standard input. The exit code is 2 if anything is wrong. What would be run although it
    limits less than it seems to is warned of on standard error.

    \b
    Examples:
      workloads validate notes.yaml
      workloads validate --runtime process *.json
    """
    from workloads import factory
    from workloads.cli.documents import read_run_config
    from workloads.cli.text import escape
    from workloads.config import unenforced_limits
    from workloads.errors import RunConfigError

    found: list[tuple[Path, str, str]] = []
    for file in files:
        try:
            config = read_run_config(file)
            problems = factory.validate(config, invocation.runtime)
            for warning in () if problems else unenforced_limits(config):
                click.echo(f"warning: {escape(f'{file}: {warning}')}", err=True)
        except RunConfigError as error:
            problems = list(error.problems)
        found += [(file, problem.path, problem.message) for problem in problems]
        if not problems and not as_json:
            click.echo(f"{escape(str(file))}: ok")
    if as_json:
        click.echo(json.dumps([{"file": str(file), "path": path, "message": text} for file, path, text in found]))
    else:
        for file, path, text in found:
            click.echo(escape(f"{file}: {path}: {text}" if path else f"{file}: {text}"))
    return ExitCode.USAGE if found else ExitCode.OK
