"""The kinds of values that options take, and groups of options that several verbs share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

__all__ = ("Seconds", "grace", "pairs", "selection", "variables")

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """A number of seconds within bounds. What is not a number is within none, although it is not outside either."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of an option as a number.

        Raises:
            click.BadParameter: It is not a number, or out of bounds.
        """
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value} is not a number of seconds.", param, ctx)
        return seconds


def pairs(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    """The value of an option ``KEY=VALUE`` that may be repeated; the last of one key wins. A callback for click.

    Raises:
        click.BadParameter: A word has no key or no value.
    """
    del ctx, param
    return dict(_pair(word) for word in values)


def variables(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    """As :func:`pairs`, but a key without value takes the one it has in this command's environment.

    Raises:
        click.BadParameter: A word has no key, or its key is not set here.
    """
    del ctx, param
    return dict(
        _pair(word if "=" in word or word not in os.environ else f"{word}={os.environ[word]}") for word in values
    )


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{word!r} is not of the form KEY=VALUE")
    return key, value


def selection(function: F) -> F:
    """Add NAMES, ``--all`` and ``--group``, one of which says what a verb works on.

    Args:
        function: The verb; it gets ``names``, ``everything`` and ``group``.
    """
    function = click.option("--group", "-g", metavar="GROUP", help="Every workload of this group.")(function)
    function = click.option("--all", "-a", "everything", is_flag=True, help="Every workload.")(function)
    return click.argument("names", nargs=-1, metavar="[NAMES]...")(function)


def grace(function: F) -> F:
    """Add ``--grace``, the time a workload has to end by itself.

    Args:
        function: The verb; it gets ``grace`` in seconds.
    """
    return click.option(
        "--grace",
        type=Seconds(min=0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Time for requests in flight and for the server to end; then it is killed.",
    )(function)
