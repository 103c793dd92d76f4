"""The suites for controllers and togglers, on each of those that this library has."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from workloads.scaletozero import Backoff, DebouncedController, NoopController, aio
from workloads.scaletozero.togglers import NoopToggler, ProcessToggler, UnikraftToggler
from workloads.scaletozero.togglers.control_file import parse_reading
from workloads.testing import ControllerConformance, TogglerConformance

QUICK = {"cooldown": 0.0, "backoff": Backoff(first=0.01)}


class TestThreads(ControllerConformance):
    """The controller for threads."""

    def make(self, toggler):
        return DebouncedController(toggler, **QUICK)


class TestAsyncio(ControllerConformance):
    """The controller for asyncio."""

    def make(self, toggler):
        return aio.DebouncedController(aio.to_async_toggler(toggler), **QUICK)


class TestNoop(ControllerConformance):
    """The one that only writes down."""

    toggles = False

    def make(self, toggler):
        return NoopController()


class TestAsyncNoop(TestNoop):
    """The one that only writes down, for asyncio."""

    def make(self, toggler):
        return aio.NoopController()


class TestNoopToggler(TogglerConformance):
    """The toggler where nothing sleeps."""

    @pytest.fixture
    def toggler(self):
        return NoopToggler()

    def is_forbidden(self, toggler):
        return toggler._forbidden


class TestUnikraft(TogglerConformance):
    """The control file, in which others have a share of three."""

    @pytest.fixture
    def toggler(self, tmp_path):
        self.path = tmp_path / "control"
        self.path.write_text("=3")
        return UnikraftToggler(self.path, mode="append", journal=tmp_path / "journal")

    def is_forbidden(self, toggler):
        count = parse_reading(self.path.read_bytes()).pending
        assert count in (3, 4)
        return count == 4

    def broken(self, toggler):
        return Replaced(self.path)


class Replaced:
    """A folder in the place of a file."""

    def __init__(self, path) -> None:
        self._path = path
        self._kept = path.with_name("kept")

    def __enter__(self) -> None:
        self._path.rename(self._kept)
        self._path.mkdir()

    def __exit__(self, *exc: object) -> None:
        self._path.rmdir()
        self._kept.rename(self._path)


@pytest.mark.parametrize("stop_after", [None, 0], ids=["paused", "stopped"])
class TestProcess(TogglerConformance):
    """A process of this machine."""

    @pytest.fixture
    def toggler(self, stop_after):
        def start():
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

        toggler = ProcessToggler(start=start, stop_after=stop_after)
        yield toggler
        if toggler.process is not None:
            toggler.process.kill()
            toggler.process.wait()

    def is_forbidden(self, toggler):
        if toggler.process is None:
            return False
        return psutil.Process(toggler.process.pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
