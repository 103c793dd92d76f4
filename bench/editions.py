"""The command of a benchmark that goes on for a time: the short edition of ``python -m bench``, or all of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, TypeVar

from bench.harness import failures, table

if TYPE_CHECKING:
    from collections.abc import Callable

Edition = TypeVar("Edition")


def command(
    module: str, about: str | None, run: Callable[[Edition, int], dict[str, Any]], *, short: Edition, whole: Edition
) -> int:
    """Run an edition, print its table, and return 1 when a figure is beyond its limit.

    Args:
        module: The name of the benchmark.
        about: What it does, for its help.
        run: Makes the document of an edition, given a seed.
        short: The edition without options.
        whole: The edition with ``--whole``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=about)
    parser.add_argument("--whole", action="store_true", help="all of it, which takes long")
    parser.add_argument("--seed", type=int, default=1, help="decides what happens when (default: %(default)s)")
    options = parser.parse_args()
    document = run(whole if options.whole else short, options.seed)
    print(table(document))
    return 1 if failures(document) else 0
