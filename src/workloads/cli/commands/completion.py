"""``workloads completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from workloads.cli.app import PROGRAM, Verb, app

__all__ = ("completion",)


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete this command.

    \b
    Examples:
      eval "$(workloads completion bash)"        # in ~/.bashrc
      eval "$(workloads completion zsh)"         # in ~/.zshrc
      workloads completion fish > ~/.config/fish/completions/workloads.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "the choices are the shells that click knows"
    click.echo(kind(app, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())
