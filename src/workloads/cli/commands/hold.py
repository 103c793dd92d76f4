"""``workloads hold``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workloads.cli.app import Verb
from workloads.cli.options import Seconds
from workloads.cli.rest import WithRest, rest_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from workloads.cli.invocation import Invocation

__all__ = ("hold",)


class _Hold(WithRest, Verb):
    """Takes what follows ``--`` whole, as the command to run."""

    rest_name = "COMMAND..."


@click.command(cls=_Hold, finds=True)
@click.argument("name")
@click.option("--owner", metavar="TEXT", help="Who holds it; the name of the program by default.")
@click.option("--reason", metavar="TEXT", default="", help="What for, as `workloads get` shows it.")
@click.option(
    "--timeout", type=Seconds(min=0), default=60.0, show_default=True, metavar="SECONDS",
    help="How long the workload may take to wake.",
)  # fmt: skip
@click.option(
    "--on-failure", type=click.Choice(["refuse", "run"]), default="refuse", show_default=True,
    help="When the workload cannot be kept awake: do not run the command, or run it all the same.",
)  # fmt: skip
@click.pass_context
def hold(context: click.Context, name: str, owner: str | None, reason: str, timeout: float, on_failure: str) -> int:
    """Run a command, and keep a workload awake until the command ends.

    The command begins when the workload is ready. However it ends, and also when this process is killed, the workload
    may sleep again. The exit code is that of the command, 128 and the number of a signal that ended it, 127 when there
    is no such program; when the workload could not be kept awake and nothing was run, it is 1, or 3 if there is none.

    \b
    Examples:
      workloads hold notes -- ./nightly-export.sh
      workloads hold notes --reason "nightly export" --on-failure run -- ./nightly-export.sh
    """
    from workloads.cli.child import run_child

    command = rest_of(context)
    if not command:
        raise click.UsageError("give the command to run after --")
    with _held(
        context.obj, name, owner or f"{Path(command[0]).name}, process {os.getpid()}", reason, timeout, on_failure
    ):
        return run_child(command)


def _held(
    invocation: Invocation, name: str, owner: str, reason: str, timeout: float, on_failure: str
) -> AbstractContextManager[object]:
    """The hold, taken; nothing when it could not be, and that shall not matter."""
    from workloads.cli import render
    from workloads.errors import WorkloadNotFoundError, WorkloadsError

    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(invocation.local_manager())
        try:
            stack.enter_context(manager.hold(name, owner=owner, reason=reason, timeout=timeout))
        except WorkloadNotFoundError:
            raise
        except WorkloadsError as error:
            if on_failure != "run":
                raise
            click.echo(f"warning: runs without a hold: {render.error_text(error)}", err=True)
        return stack.pop_all()
    raise AssertionError("nothing above is swallowed")
