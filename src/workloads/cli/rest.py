"""Commands that take what follows ``--`` whole, as the command line of another program."""

from __future__ import annotations

import click

__all__ = ("WithRest", "rest_of")

_KEY = "workloads.rest"


class WithRest(click.Command):
    """To be mixed in before another class of commands."""

    rest_name = "ARGS..."
    """What follows, for the usage line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what follows the first ``--`` away from the parser."""
        own, rest = args, list[str]()
        if "--" in args:
            at = args.index("--")
            own, rest = args[:at], args[at + 1 :]
        ctx.meta[_KEY] = tuple(rest)
        return super().parse_args(ctx, own)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line with what follows ``--``."""
        return [*super().collect_usage_pieces(ctx), f"[-- {self.rest_name}]"]


def rest_of(ctx: click.Context) -> tuple[str, ...]:
    """What followed ``--``.

    Args:
        ctx: The context of a command that is a :class:`WithRest`.
    """
    rest: tuple[str, ...] = ctx.meta[_KEY]
    return rest
