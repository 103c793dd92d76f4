"""The suite that every manager passes, on each of those that this library has."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import quick

import workloads
from workloads import RunConfig
from workloads._core.paths import Paths
from workloads._core.process import is_alive
from workloads.state import RunConfigStore, RuntimeRecordStore
from workloads.testing import InMemoryManager, ManagerConformance, ServerBehaviour


class TestProcess(ManagerConformance):
    """Processes of this machine."""

    patience = 60.0  # for a machine that does much else

    @pytest.fixture
    def manager(self):
        with workloads.new_manager("process") as manager:
            yield manager

    def another(self, manager):
        return workloads.new_manager("process")

    def make_config(self, name, **fields):
        return quick(name, **fields)

    def broken_config(self, name):
        return quick(name, "--die", "3")

    def slow_config(self, name):
        return quick(name, "--mute")

    def call(self, url, text):
        # In a thread: the client imports while its loop runs, and what blocks a loop below a frame of this library, as
        # the suite is one, fails the test.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(call_tool, url, "echo", text=text).result()

    def stored_run_config(self, name):
        return RunConfigStore(Paths.locate()).load(name)

    def is_running(self, name):
        record = RuntimeRecordStore(Paths.locate()).read(name)
        return record is not None and record.runner is not None and is_alive(record.runner)


class OnEngine(TestProcess):
    """Containers of a real engine, which is private to the tests."""

    __test__ = False
    pytestmark = pytest.mark.timeout(600)
    # What differs between the two surfaces does not differ between runtimes.
    surfaces = ("sync",)
    patience = 120.0

    @pytest.fixture
    def manager(self, engine):
        self.engine = engine
        with workloads.new_manager(engine.name) as manager:
            yield manager

    def another(self, manager):
        return workloads.new_manager(self.engine.name)

    def make_config(self, name, *args, **fields):
        command = ["python3", "-I", "-S", "/servers/quick_stdio.py"]
        return RunConfig(name=name, image=self.engine.python, command=command, cmd_args=args, **fields)

    def broken_config(self, name):
        return self.make_config(name, "--die", "3")

    def slow_config(self, name):
        return self.make_config(name, "--mute")


class TestContainers(OnEngine):
    """Docker and Podman in turn."""

    __test__ = True


class TestMemory(ManagerConformance):
    """The stand-in for unit tests, which therefore cannot drift from the real ones."""

    @pytest.fixture
    def manager(self):
        self.subjects = InMemoryManager(behaviour=self.behaviour)
        return self.subjects

    @staticmethod
    def behaviour(config):
        return ServerBehaviour(config.image)

    def another(self, manager):
        return InMemoryManager(behaviour=self.behaviour, same_as=manager)

    def make_config(self, name, **fields):
        return RunConfig(name=name, image="ready", **fields)

    def broken_config(self, name):
        return RunConfig(name=name, image="dies")

    def slow_config(self, name):
        return RunConfig(name=name, image="never-ready")

    def call(self, url, text):
        (found,) = (each for each in self.subjects.list_workloads() if each.url == url)
        self.subjects.add_log_line(found.name, f"called with {text}")
        return text

    def stored_run_config(self, name):
        entry = self.subjects._world.entries.get(name)
        return None if entry is None else entry.config

    def is_running(self, name):
        with contextlib.suppress(KeyError):
            return self.subjects._world.entries[name].run is not None
        return False
