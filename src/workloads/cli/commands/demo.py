"""``workloads demo``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb
from workloads.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("demo",)


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as an object instead of the story.")
@click.pass_obj
def demo(invocation: Invocation, as_json: bool) -> ExitCode:
    """Start three real MCP servers, list them, call a tool of each, read their logs, and remove them.

    It needs the extra mcp: pip install 'workloads[mcp]'. Two of the servers are fetched as packages the first time.
    Everything happens in a temporary folder of its own, on local processes unless --runtime says otherwise, and nothing
    is left behind, also after Ctrl-C. The exit code is 1 if any step failed.

    \b
    Examples:
      workloads demo
      workloads demo --json | jq .results
    """
    from workloads.cli.demo.story import play
    from workloads.cli.signals import exit_on_termination

    def silent(text: str) -> None:
        del text

    with exit_on_termination():
        record = play(invocation, silent if as_json else click.echo)
    if as_json:
        click.echo(json.dumps(record.summary(), indent=2))
    else:
        click.echo(f"\n{'Done' if record.ok else 'Failed'} in {record.summary()['seconds']} s.")
    return ExitCode.OK if record.ok else ExitCode.FAILURE
