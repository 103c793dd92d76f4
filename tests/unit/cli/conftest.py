"""The command, called in this process against a manager in memory."""

from __future__ import annotations

import io
import logging
import signal
import sys
from dataclasses import dataclass

import pytest
from tests.support.recording_manager import RecordingManager

from workloads.cli import main
from workloads.cli.invocation import Invocation


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Outcome:
    code: int
    out: str
    err: str


class Command:
    """Calls the command. ``manager`` is what it works on; ``invocation`` is what its global options said."""

    def __init__(self, capsys, monkeypatch) -> None:
        self.manager = RecordingManager()
        self.invocation: Invocation | None = None
        self._capsys = capsys
        self._monkeypatch = monkeypatch

        def opened(invocation: Invocation) -> RecordingManager:
            self.invocation = invocation
            return self.manager

        monkeypatch.setattr(Invocation, "manager", opened)

    def __call__(self, *arguments: str) -> Outcome:
        code = main(arguments)
        out, err = self._capsys.readouterr()
        return Outcome(code, out, err)

    def on_terminal(self, *arguments: str) -> Outcome:
        streams = Terminal(), Terminal()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            patch.setenv("COLUMNS", "120")
            patch.setenv("TERM", "xterm-256color")
            code = main(arguments)
        return Outcome(code, *(stream.getvalue() for stream in streams))


@pytest.fixture
def command(capsys, monkeypatch):
    root, ours, former = logging.getLogger(), logging.getLogger("workloads"), signal.getsignal(signal.SIGINT)
    access = logging.getLogger("workloads.access")
    state = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    written = access.handlers[:], access.level, access.propagate
    yield Command(capsys, monkeypatch)
    root.handlers[:] = state[0]
    root.setLevel(state[1])
    ours.setLevel(state[2])
    logging.raiseExceptions = state[3]
    access.handlers[:] = written[0]
    access.setLevel(written[1])
    access.propagate = written[2]
    logging.captureWarnings(capture=False)
    signal.signal(signal.SIGINT, former)
