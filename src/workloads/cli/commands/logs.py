"""``workloads logs``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation

__all__ = ("logs",)


@click.command(cls=Verb, finds=True)
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until the workload ends.")
@click.option(
    "--lines", "-n", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines; all by default."
)
@click.option("--replica", type=click.IntRange(min=0), metavar="N", help="Only this replica, counted from 0.")
@click.option("--proxy", is_flag=True, help="What its proxy wrote, instead of its server.")
@click.option(
    "--raw", is_flag=True, help="Control characters as they are; never do this with a server you do not trust."
)
@click.pass_obj
def logs(
    invocation: Invocation, name: str, follow: bool, lines: int | None, replica: int | None, proxy: bool, raw: bool
) -> None:
    """Show what a workload wrote.

    A server can write anything, also what would clear, recolour or forge the lines of a terminal. So control characters
    are spelled out, such as \\x1b, unless --raw is given.

    \b
    Examples:
      workloads logs time --lines 20
      workloads logs time --follow
      workloads logs time --proxy | jq .message
    """
    from workloads.cli.text import escape

    if proxy and replica is not None:
        raise click.UsageError("a workload has one proxy: give --proxy or --replica, not both")
    with invocation.manager() as manager:
        if proxy:
            stream = manager.get_proxy_logs(name, follow=follow, lines=lines)
        else:
            stream = manager.get_logs(name, follow=follow, lines=lines, replica=replica)
        with stream:
            # Lines that come one by one are shown at once; a whole log is written in large pieces.
            write = click.echo if follow else _write
            for line in stream:
                write(line if raw else escape(line))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
