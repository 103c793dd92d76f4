"""Programs of npm packages, found once: npx needs half a second each time before it starts one."""

from __future__ import annotations

import functools
import subprocess


@functools.cache
def program(package: str, name: str) -> str:
    """The path of a program of a package; npx has fetched the package then.

    Args:
        package: The package, with its version.
        name: The program.
    """
    command = ["npx", "--yes", f"--package={package}", "-c", f"command -v {name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=180).stdout.strip()
