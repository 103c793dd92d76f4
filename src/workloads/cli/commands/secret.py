"""``workloads secret``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workloads.cli.app import CONTEXT, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.cli.commands._secrets import Usage
    from workloads.cli.invocation import Invocation

__all__ = ("secret",)

F = TypeVar("F", bound="Callable[..., Any]")

_HEADER = ("NAME", "PROVIDER", "WORKLOADS")
_NOTHING = "-"


def _provider_option(function: F) -> F:
    # The names are those of workloads.secrets.PROVIDERS, which help need not import.
    choice = click.Choice(["encrypted", "environment", "keyring"])
    text = "Work on this one only; by default, on those that hold secrets, or that WORKLOADS_SECRETS_PROVIDER names."
    return click.option("--provider", type=choice, help=text)(function)


@click.group(context_settings=CONTEXT)
def secret() -> None:
    """Keep, list and remove secrets of workloads.

    A workload refers to a secret by its name, and gets the value in a variable when it starts. Values are kept where
    you say, never in a run config, and no command shows them.

    \b
    Providers:
      environment  WORKLOADS_SECRET_<name>, else TOOLHIVE_SECRET_<name>; asked last for what the others do not know
      keyring      the keyring of this machine
      encrypted    a file, encrypted under the password in WORKLOADS_SECRETS_PASSWORD, else in the keyring

    \b
    Examples:
      workloads secret set api_key --provider keyring
      workloads run search uvx://search-server --secret api_key,target=SEARCH_API_KEY
      workloads secret list
    """


@secret.command("set", cls=Verb, context_settings={"allow_extra_args": True})
@click.argument("name")
@_provider_option
@click.pass_context
def set_(context: click.Context, name: str, provider: str | None) -> None:
    """Keep a secret, in the place of an earlier one. It is asked for on a terminal, else read from standard input.

    The first time, --provider says where; after that, secrets go where the others are. One line end at the end of the
    input is not a part of the value. A workload that runs keeps the value it was started with; `workloads restart`
    gives it the new one.

    \b
    Examples:
      workloads secret set api_key --provider encrypted
      workloads secret set tls_key < key.pem
    """
    from workloads.cli.commands import _secrets
    from workloads.secrets import check_secret_name, check_secret_value

    if context.args:
        # Left to click, the message would repeat it.
        raise click.UsageError("a value is not given as an argument, which others could see, but on standard input")
    check_secret_name(name)
    invocation: Invocation = context.obj
    able = _secrets.writers(_secrets.providers(invocation, provider))
    if len(able) > 1:
        listed = " and ".join(each.name for each in able)
        raise click.UsageError(f"{listed} hold secrets; say with --provider which shall keep this one")
    value = _secrets.read_value(name)
    check_secret_value(name, value)
    able[0].set(name, value)
    click.echo(f"{name}: kept ({able[0].name})")
    asked = {each.name for each in _secrets.providers(invocation, None)}
    if able[0].name not in asked:
        click.echo("note: WORKLOADS_SECRETS_PROVIDER names another, so workloads do not get it from there", err=True)


@secret.command("list", cls=Verb)
@_provider_option
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def list_(invocation: Invocation, provider: str | None, as_json: bool) -> None:
    """List the names of secrets, who knows each, and which workloads refer to it; never a value.

    A secret that a workload refers to and nobody knows is shown with "-" as its provider. Of the environment, only
    those that workloads refer to are shown.

    \b
    Examples:
      workloads secret list
      workloads secret list --json | jq -r '.[] | select(.provider == null) | .name'
    """
    from workloads.cli import render, terminal
    from workloads.cli.commands import _secrets
    from workloads.cli.text import escape

    found = _secrets.providers(invocation, provider)
    with invocation.manager() as manager:
        used = _secrets.usage(manager)
    entries = _secrets.entries(found, used.workloads)
    if provider is not None:
        entries = [entry for entry in entries if entry.provider]
    rows = [
        tuple(escape(cell) or _NOTHING for cell in (entry.name, entry.provider, ", ".join(entry.workloads)))
        for entry in entries
    ]
    if as_json:
        view = [
            {"name": entry.name, "provider": entry.provider or None, "workloads": list(entry.workloads)}
            for entry in entries
        ]
        click.echo(json.dumps(view, indent=2))
    elif not rows:
        click.echo("no secrets", err=True)
    elif terminal.is_terminal():
        terminal.print_table(_HEADER, rows)
    else:
        click.echo(render.columns([_HEADER, *rows]))
    for name, error in used.unknown.items():
        click.echo(f"warning: {escape(name)} is not counted: {render.error_text(error)}", err=True)


@secret.command(cls=Verb)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_provider_option
@click.option("--force", is_flag=True, help="Remove even those that workloads refer to.")
@click.pass_obj
def rm(invocation: Invocation, names: tuple[str, ...], provider: str | None, force: bool) -> None:
    """Remove secrets. None is removed while a workload refers to one of them, unless --force is given.

    Removing one that is not there succeeds and says so.

    \b
    Examples:
      workloads secret rm api_key
      workloads secret rm api_key --force
    """
    from workloads.cli.commands import _secrets
    from workloads.cli.text import escape
    from workloads.secrets import check_secret_name

    for name in names:
        check_secret_name(name)
    able = _secrets.writers(_secrets.providers(invocation, provider))
    if not force:
        with invocation.manager() as manager:
            _refuse_used(names, _secrets.usage(manager))
    for name in dict.fromkeys(names):
        removed = [each.name for each in able if each.delete(name)]
        click.echo(escape(f"{name}: " + (f"removed ({', '.join(removed)})" if removed else "was not there")))


def _refuse_used(names: tuple[str, ...], used: Usage) -> None:
    for name in names:
        if name in used.workloads:
            listed = ", ".join(used.workloads[name])
            raise click.ClickException(f"secret {name!r} is used by {listed}; --force removes it all the same")
    if used.unknown:
        listed = ", ".join(used.unknown)
        raise click.ClickException(f"what {listed} uses is not known, for the run config is damaged; --force removes")
