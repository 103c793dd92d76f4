"""``workloads run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workloads.cli import options
from workloads.cli.app import Verb
from workloads.cli.overrides import overridden
from workloads.cli.rest import WithRest, rest_of

if TYPE_CHECKING:
    from workloads.cli.invocation import Invocation
    from workloads.config import RunConfig
    from workloads.manager import Manager

__all__ = ("run",)


class _Run(WithRest, Verb):
    """Takes what follows ``--`` whole, as the server's own command line."""


@click.command(cls=_Run, finds=True)
@click.argument("name", required=False)
@click.argument("source", required=False)
@click.option("--image", metavar="IMAGE", help="The same as SOURCE.")
@click.option(
    "--from-config",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Read a run config, JSON or YAML; - is standard input. Other options win over what it says.",
)
@click.option("--transport", type=click.Choice(["stdio", "streamable-http", "sse"]), help="How the server talks.")
@click.option(
    "--proxy-mode", type=click.Choice(["streamable-http", "sse"]), help="What clients of a stdio server talk."
)
@click.option("--target-port", type=click.IntRange(1, 65535), help="The port of the server itself; free by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port for clients; 0, the default, picks a free one.")
@click.option("--host", metavar="ADDRESS", help="The address for clients; 127.0.0.1 by default.")
@click.option(
    "--env",
    "-e",
    metavar="KEY[=VALUE]",
    multiple=True,
    callback=options.variables,
    help="A variable for the server; without VALUE, as it is here. Repeatable.",
)
@click.option(
    "--secret", "secrets", metavar="NAME,target=ENV", multiple=True, help="A secret for the server; repeatable."
)
@click.option(
    "--label",
    "-l",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    callback=options.pairs,
    help="A label to find it by; repeatable.",
)
@click.option("--group", "-g", metavar="GROUP", help="The group it belongs to.")
@click.option("--replicas", type=click.IntRange(min=0), help="How many copies of the server.")
@click.option("--foreground", is_flag=True, help="Stay until it ends, showing what it writes; Ctrl-C drains it.")
@click.option(
    "--wait",
    type=options.Seconds(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long until it is ready.",
)
@click.option("--no-wait", is_flag=True, help="Return as soon as its proxy runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the workload as an object.")
@click.pass_context
def run(
    context: click.Context,
    /,
    name: str | None,
    source: str | None,
    image: str | None,
    file: Path | None,
    foreground: bool,
    wait: float,
    no_wait: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Run a workload that outlives this command, and print where clients reach it.

    SOURCE is what to run: uvx://PACKAGE and npx://PACKAGE fetch and run a package, http:// and https:// are a server
    that runs elsewhere, anything else is a container image. Without SOURCE, what follows -- is the program of the
    server; with it, what follows -- are arguments for it.

    A server has a working folder of its own: name files by their whole paths. Over HTTP it is told its port in MCP_PORT
    and FASTMCP_PORT. A secret is looked up where `workloads secret` keeps it, else in WORKLOADS_SECRET_<name>; its
    value is in no run config and no log.

    \b
    Examples:
      workloads run time uvx://mcp-server-time -- --local-timezone=Europe/Zurich
      workloads run notes --transport streamable-http --target-port 8080 -- python "$PWD/server.py"
      workloads run files npx://@modelcontextprotocol/server-filesystem -- /srv/files
      workloads run search uvx://search-server --secret api_key,target=SEARCH_API_KEY
      workloads run --from-config notes.yaml --port 8000
    """
    if source is not None and image is not None:
        raise click.UsageError("give SOURCE or --image, not both")
    if name is None and file is None:
        raise click.UsageError("give a NAME, or --from-config FILE")
    invocation: Invocation = context.obj
    given = {"name": name, "source": source or image, "rest": rest_of(context), **settings}
    config = _config(file, given)
    with invocation.manager() as manager:
        if foreground:
            from workloads.cli.foreground import run_in_foreground

            run_in_foreground(manager, config)
        else:
            _run_detached(manager, config, None if no_wait else wait, as_json=as_json)


def _run_detached(manager: Manager, config: RunConfig, wait: float | None, *, as_json: bool) -> None:
    from workloads.cli import render, terminal
    from workloads.cli.text import escape

    name = config.name
    with (
        terminal.progress(f"{escape(name)}: starting") as progress,
        terminal.follow_status(manager, name, progress.tell),
    ):
        workload = manager.run_workload_detached(config, wait=wait)
    if as_json:
        click.echo(json.dumps(render.workload_view(workload), indent=2))
    else:
        click.echo(escape(f"{name} is {workload.status}" + (f" at {workload.url}" if workload.url else "")))


def _config(file: Path | None, given: dict[str, Any]) -> RunConfig:
    from workloads.cli.documents import read_run_config
    from workloads.config import RunConfig

    document = dict(read_run_config(file).to_dict()) if file is not None else {}
    return RunConfig.from_dict(overridden(document, **given), source="" if file is None else str(file))
