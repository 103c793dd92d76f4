"""The command group: its global options and its verbs, each of which is imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from workloads.cli.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("CONTEXT", "PROGRAM", "App", "Verb", "app")

PROGRAM = "workloads"

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Entry(NamedTuple):
    where: str
    summary: str


# The order is the one in which people meet them. The summaries are here so that the overview imports no verb.
_VERBS = {
    "run": _Entry("workloads.cli.commands.run:run", "Run a workload that outlives this command."),
    "list": _Entry("workloads.cli.commands.list:list_", "List workloads."),
    "get": _Entry("workloads.cli.commands.get:get", "Show one workload."),
    "logs": _Entry("workloads.cli.commands.logs:logs", "Show what a workload wrote."),
    "stop": _Entry("workloads.cli.commands.stop:stop", "Stop workloads; they can be started again."),
    "start": _Entry("workloads.cli.commands.start:start", "Start stopped workloads."),
    "restart": _Entry("workloads.cli.commands.restart:restart", "Stop workloads and start them again."),
    "sleep": _Entry("workloads.cli.commands.sleep:sleep", "Put a workload to sleep that nobody uses."),
    "wake": _Entry("workloads.cli.commands.wake:wake", "Wake a workload, and wait until it is ready."),
    "hold": _Entry("workloads.cli.commands.hold:hold", "Keep a workload awake while a command runs."),
    "update": _Entry("workloads.cli.commands.update:update", "Replace the run config of a workload."),
    "rm": _Entry("workloads.cli.commands.rm:rm", "Stop workloads and remove all that is kept of them."),
    "recover": _Entry("workloads.cli.commands.recover:recover", "Start again what a crash or a reboot has ended."),
    "prune": _Entry("workloads.cli.commands.prune:prune", "Remove what is left of workloads that no longer exist."),
    "validate": _Entry("workloads.cli.commands.validate:validate", "Tell what is wrong with run configs."),
    "group": _Entry("workloads.cli.commands.group:group", "Create, list and remove groups of workloads."),
    "secret": _Entry("workloads.cli.commands.secret:secret", "Keep, list and remove secrets of workloads."),
    "detect": _Entry("workloads.cli.commands.detect:detect", "Tell which runtime new workloads get, and why."),
    "completion": _Entry("workloads.cli.commands.completion:completion", "Make a shell complete this command."),
    "demo": _Entry("workloads.cli.commands.demo:demo", "Show it all on an empty machine."),
    "proxyrunner": _Entry("workloads.cli.proxyrunner:proxyrunner", "Run one workload and its proxy (for machines)."),
}
_ALIASES = {"ls": "list", "delete": "rm"}


class App(click.Group):
    """A group that loads its verbs on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs, without aliases."""
        del ctx
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name or alias; None if there is none."""
        del ctx
        entry = _VERBS.get(_ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview of the verbs from their summaries."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in _VERBS.items()])


class Verb(click.Command):
    """A command that takes the global options after its name, too, and whose help tells its exit codes."""

    def __init__(self, name: str | None, *, finds: bool = False, **attributes: Any) -> None:
        """Make the command.

        Args:
            name: Its name.
            finds: Whether it looks for a workload or group, which may not exist.
            attributes: What :class:`click.Command` takes.
        """
        self._finds = finds
        attributes["context_settings"] = CONTEXT | attributes.get("context_settings", {})
        attributes["params"] = [*attributes.get("params", []), *_global_options(hidden=True)]
        super().__init__(name, **attributes)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what its exit codes mean."""
        super().format_epilog(ctx, formatter)
        from workloads.cli.exit_codes import MEANINGS, ExitCode

        codes = [code for code in ExitCode if self._finds or code is not ExitCode.NOT_FOUND]
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), MEANINGS[code]) for code in codes])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; global options given after its name count from here."""
        configure_logs(ctx)
        return super().invoke(ctx)


def configure_logs(ctx: click.Context) -> None:
    """Send the log records of this process where the options say, before anything else is done."""
    from workloads.cli import logs_setup

    logs_setup.configure(debug=_invocation(ctx).debug)


def _invocation(ctx: click.Context) -> Invocation:
    return ctx.ensure_object(Invocation)


def _global_options(*, hidden: bool = False) -> list[click.Parameter]:
    def keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def store(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
            del parameter
            if value:
                setattr(_invocation(ctx), attribute, value)

        return store

    common: dict[str, Any] = {"expose_value": False, "hidden": hidden}
    return [
        click.Option(
            ["--runtime"],
            metavar="NAME",
            callback=keep("runtime"),
            help="Runtime for new workloads; detected by default, see `workloads detect`.",
            **common,
        ),
        click.Option(
            ["--state-dir"],
            metavar="FOLDER",
            type=click.Path(file_okay=False, path_type=Path),
            callback=keep("state_dir"),
            help="Keep all state in this folder instead of the user's own.",
            **common,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            callback=keep("debug"),
            help="Show debug logs, and tracebacks of errors.",
            **common,
        ),
    ]


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    if value and not ctx.resilient_parsing:
        import workloads

        click.echo(f"{PROGRAM} {workloads.__version__}")
        ctx.exit()


@click.group(
    cls=App, invoke_without_command=True, no_args_is_help=False, context_settings=CONTEXT, params=_global_options()
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Run, find and stop long-running servers, MCP servers first of all.

    A workload is a named server and its proxy: give it a name, and it runs until you stop it. Whatever the server
    itself talks, its proxy answers at one URL.

    \b
    Examples:
      workloads run time uvx://mcp-server-time
      workloads run notes --transport streamable-http -- python "$PWD/server.py"
      workloads list
      workloads logs time --follow
      workloads rm time

    \b
    Exit codes:
      0    done
      1    it failed, or one of several did
      2    the command line, a name or a run config is wrong
      3    the workload or group does not exist
      130  ended by Ctrl-C
      141  whoever read the output went away

    \b
    Environment:
      WORKLOADS_RUNTIME   the runtime for new workloads
      WORKLOADS_DEBUG     1 shows debug logs
      NO_COLOR            any value switches colours off

    The global options may also follow the command. State is kept under XDG_STATE_HOME and XDG_DATA_HOME.
    """
    configure_logs(ctx)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
