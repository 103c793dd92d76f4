"""Who plays in the demo: three servers, and what each is asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads.config import RunConfig

__all__ = ("Part", "cast")


@attrs.frozen
class Part:
    """A server, and one call of it.

    Attributes:
        config: How to run it.
        tool: The tool that is called.
        arguments: What it is called with.
    """

    config: RunConfig
    tool: str
    arguments: Mapping[str, Any]


def cast(folder: Path) -> tuple[list[Part], list[str]]:
    """The servers that can play on this machine, and why others cannot.

    Args:
        folder: A folder of the demo's own, for the repository that one of them reads.
    """
    from workloads.config import RunConfig

    parts = [
        Part(
            RunConfig(name="time", image="uvx://mcp-server-time", transport="stdio"),
            "get_current_time",
            {"timezone": "UTC"},
        ),
        Part(
            RunConfig(
                name="adder",
                command=(sys.executable, "-m", "workloads.cli.demo.server"),
                transport="streamable-http",
            ),
            "add",
            {"a": 2, "b": 3},
        ),
    ]
    git = shutil.which("git")
    if git is None:
        return parts, ["git: its server needs the git program; install the package git"]
    repository = _repository(git, folder / "repository")
    parts.append(
        Part(
            RunConfig(
                name="git",
                image="uvx://mcp-server-git",
                transport="stdio",
                cmd_args=("--repository", str(repository)),
            ),
            "git_log",
            {"repo_path": str(repository), "max_count": 1},
        )
    )
    return parts, []


def _repository(git: str, folder: Path) -> Path:
    """A repository with one commit, whatever the user has configured for theirs."""
    folder.mkdir()
    folder.joinpath("README").write_text("A repository for the demo.\n", encoding="utf-8")
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (
        ["init", "--quiet"],
        ["add", "README"],
        [*identity, "commit", "--quiet", "-m", "The first commit"],
    ):
        subprocess.run([git, "-C", str(folder), *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return folder
