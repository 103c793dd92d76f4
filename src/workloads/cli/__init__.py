"""The ``workloads`` command. Its entry point is :func:`main`; everything else is imported by what uses it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and tell how it ended.

    Args:
        argv: The arguments after the program's name; None takes those of this process.

    Returns:
        The exit code, one of :class:`workloads.cli.exit_codes.ExitCode`.
    """
    try:
        from workloads.cli.entry import run

        return run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:
        # Ctrl-C while the command was still loading, or a second one while the first was being handled.
        return 130
