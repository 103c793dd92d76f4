"""How the end of a server is told."""

from __future__ import annotations

import signal

import pytest

from workloads.runtimes.protocol import Exit


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (Exit(code=0, signal=None), "exited with code 0"),
        (Exit(code=3, signal=None), "exited with code 3"),
        (Exit(code=None, signal=signal.SIGKILL), "killed by SIGKILL"),
        (Exit(code=None, signal=signal.SIGRTMIN + 2), f"killed by signal {signal.SIGRTMIN + 2}"),
    ],
    ids=str,
)
def test_an_exit_says_how_a_server_ended(end, text):
    assert str(end) == text
