"""The rules of this machine's packet filter that container engines add, and how to remove them again."""

from __future__ import annotations

import shlex
import subprocess

import psutil

TABLES = ("filter", "nat")
# Whose chains they are: what is in their names, and the program that needs them while it lives.
_OWNERS = {"docker": ("DOCKER", "dockerd"), "podman": ("NETAVARK", "conmon")}


def rules() -> dict[str, list[str]]:
    """All rules, chains and policies as ``iptables -S`` prints them, by table."""
    return {table: _iptables(table, "-S").splitlines() for table in TABLES}


def remove(*marks: str) -> None:
    """Remove the rules that have one of these words, or beginnings of words, in them.

    Args:
        marks: What to look for.
    """
    for table, lines in rules().items():
        for line in lines:
            if line.startswith("-A ") and any(mark in line for mark in marks):
                _undo(table, line)


def restore(engine: str, before: dict[str, list[str]]) -> None:
    """Remove the chains that an engine has added, unless another of its kind lives and needs them.

    Args:
        engine: ``docker`` or ``podman``.
        before: The rules as they were before it started.
    """
    mark, program = _OWNERS[engine]
    if any(process.info["name"] == program for process in psutil.process_iter(["name"])):
        return
    for table, lines in rules().items():
        new = [line for line in lines if mark in line and line not in before[table]]
        # A chain can go when no rule leads to it, and it has none.
        for kind in ("-A ", "-N "):
            for line in new:
                if line.startswith(kind):
                    _undo(table, line)
        if engine == "docker":
            for line in before[table]:
                if line.startswith("-P ") and line not in lines:
                    _iptables(table, *shlex.split(line))


def _undo(table: str, line: str) -> None:
    operation, *words = shlex.split(line)
    _iptables(table, {"-A": "-D", "-N": "-X"}[operation], *words)


def _iptables(table: str, *words: str) -> str:
    # Somebody else may have been quicker to remove a rule.
    return subprocess.run(
        ["iptables", "-w", "-t", table, *words], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stdout
