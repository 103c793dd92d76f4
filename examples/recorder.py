"""Record with ffmpeg on a machine that may sleep: it stays awake while the recording runs, and no longer.

Usage::

    python examples/recorder.py out.mkv --seconds 5 [--control-file PATH]

The recording does not begin when the machine cannot be kept awake; ``--anyway`` records all the same, and then releases
nothing. Ctrl-C ends the recording as ffmpeg wants it, so that the file is whole.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from workloads.errors import ToggleError
from workloads.scaletozero import DebouncedController, hold_process
from workloads.scaletozero.togglers import UnikraftToggler
from workloads.scaletozero.togglers.unikraft import DEFAULT_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.scaletozero import Controller

STOP_TIMEOUT = 20.0


class Recorder:
    """One recording of a test picture; use it as a context manager.

    Args:
        controller: Who keeps the machine awake.
        target: The file; one that exists is replaced.
        anyway: Whether to record although the machine may fall asleep.
    """

    def __init__(self, controller: Controller, target: Path, *, anyway: bool = False) -> None:
        """Nothing is recorded yet."""
        self._controller = controller
        self._target = target
        self._anyway = anyway
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin to record; raises ``ToggleError`` when the machine cannot be kept awake."""
        self._process = hold_process(
            self._controller,
            self._start,
            owner="recorder",
            reason=self._target.name,
            on_failure="run" if self._anyway else "raise",
        )
        return self

    def __exit__(self, *exc: object) -> None:
        """End the recording; the machine may sleep when ffmpeg has written the rest."""
        if self._process is None:
            return
        with contextlib.suppress(BrokenPipeError), self._process:
            if self._process.stdin is not None:
                self._process.stdin.write(b"q")
                self._process.stdin.close()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        source = ["-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"]
        command = ["ffmpeg", "-y", "-loglevel", "error", *source, "-flush_packets", "1"]
        # In a session of its own: Ctrl-C is for this program, which ends ffmpeg in its own time.
        return subprocess.Popen([*command, str(self._target)], stdin=subprocess.PIPE, start_new_session=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record for some seconds, or until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--seconds", type=float, default=None, help="how long (default: until Ctrl-C)")
    parser.add_argument("--control-file", type=Path, default=Path(DEFAULT_PATH))
    parser.add_argument("--mode", choices=("truncate", "append"), default="truncate", help="how that file is written")
    parser.add_argument("--anyway", action="store_true", help="record although the machine may fall asleep")
    options = parser.parse_args(arguments)

    enough = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: enough.set())
    toggler = UnikraftToggler(options.control_file, mode=options.mode)
    try:
        with (
            DebouncedController(toggler) as controller,
            Recorder(controller, options.target, anyway=options.anyway),
        ):
            enough.wait(options.seconds)
    except ToggleError as error:
        sys.stderr.write(f"nothing was recorded: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
