"""Which program a run config means, and where it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.errors import CommandNotFoundError

if TYPE_CHECKING:
    from workloads.config import RunConfig

__all__ = ("NPX", "UVX", "argument_vector", "find_program")

UVX = "uvx://"
"""The scheme of an image that is a Python package: the rest is what ``uvx`` takes, such as ``mcp-server-time@1.2``."""
NPX = "npx://"
"""The scheme of an image that is an npm package: the rest is what ``npx`` takes, such as ``@scope/server@1``."""

_HINTS = {
    "uvx": "it is part of uv: pip install uv",
    "npx": "it is part of Node.js: install that from your system's packages or https://nodejs.org",
}


def argument_vector(config: RunConfig) -> list[str]:
    """The program of a run config and its arguments; the program as written there, to be found yet.

    Args:
        config: A run config that this runtime does not refuse.
    """
    if config.image.startswith(UVX):
        build = config.runtime_config
        further = [f"--with={requirement}" for requirement in build.build_with] if build is not None else []
        return ["uvx", *further, config.image.removeprefix(UVX), *config.cmd_args]
    if config.image.startswith(NPX):
        return ["npx", "--yes", config.image.removeprefix(NPX), *config.cmd_args]
    return [*config.command, *config.cmd_args]


def find_program(program: str, path: str) -> str:
    """Where a program is.

    Args:
        program: A name to look for, or an absolute path.
        path: The folders to look in, as in ``PATH``. Relative ones are passed over: they would mean the server's
            private working folder. ``uvx`` is also looked for beside this interpreter, where an environment that is
            not activated has it.

    Returns:
        Its absolute path.

    Raises:
        CommandNotFoundError: It is not on this machine.
    """
    if program.startswith("/"):
        if not os.path.exists(program):  # noqa: PTH110  # a Path would raise where a folder is forbidden
            raise CommandNotFoundError(program, "there is no such file")
        return program
    folders = [folder for folder in path.split(os.pathsep) if folder.startswith("/")]
    if program == "uvx" and sys.executable:
        folders.append(str(Path(sys.executable).parent))
    for folder in folders:
        candidate = os.path.join(folder, program)  # noqa: PTH118  # a Path would raise where a folder is forbidden
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):  # noqa: PTH113  # likewise
            return candidate
    raise CommandNotFoundError(program, _HINTS.get(program, f"install it, or give its absolute path; PATH is {path}"))
