"""Runs workloads in the kernel of a notebook: ``notebook.py REPORT``. The kernel ends before this program does."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_client.manager import start_new_kernel

CELL = """
import asyncio, json, pathlib, sys
sys.path.insert(0, {root!r})
from tests.support.embedded import embed
assert asyncio.get_running_loop() is not None
pathlib.Path({report!r}).write_text(json.dumps(embed()))
"""


def main() -> None:
    kernel, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        cell = CELL.format(root=str(Path(__file__).parents[2]), report=sys.argv[1])
        reply = client.execute_interactive(cell, timeout=90)
        assert reply["content"]["status"] == "ok", reply
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
