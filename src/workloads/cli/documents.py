"""Run configs in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from workloads.config import RunConfig

__all__ = ("read_run_config",)


def read_run_config(file: Path) -> RunConfig:
    """The run config in a file: JSON if its name or its first character says so, else YAML.

    Args:
        file: The file; ``-`` is standard input.

    Raises:
        RunConfigError: It has problems; lists every one.
    """
    from workloads.config import RunConfig

    with click.open_file(str(file), "rb") as stream:
        text = stream.read()
    is_json = file.suffix == ".json" or text.lstrip().startswith(b"{")
    return (RunConfig.from_json if is_json else RunConfig.from_yaml)(text, source=str(file))
