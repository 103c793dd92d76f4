"""What every test gets: an environment of its own, and a look at what it left behind."""

from __future__ import annotations

import asyncio.constants
import compileall
import gc
import itertools
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBusterFunction, blockbuster_ctx
from hypothesis import settings
from tests.support import engines, leaks, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

# A random example that fails in one run of CI and not in the next helps nobody; people still get random ones, and with
# --hypothesis-profile=deep many.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, max_examples=40)
settings.register_profile("dev", deadline=None, max_examples=40)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# In debug mode asyncio notes where each callback comes from. Ten frames of each take longer than many tests.
asyncio.constants.DEBUG_STACK_DEPTH = 1

# Variables that would let the machine, or the user's shell, decide how a test ends.
_FOREIGN = (
    "WORKLOADS_", "TOOLHIVE_", "DOCKER_", "CONTAINER_HOST", "KUBERNETES_", "KUBECONFIG", "POD_NAMESPACE", "MCP_",
    "OTEL_", "FASTMCP_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip

# What blocks a loop besides what the detector looks for by itself.
_BLOCKING = ("fcntl.flock", "fcntl.lockf", "os.fsync", "os.waitid", "os.waitpid", "subprocess.Popen.__init__")

_required: frozenset[str] = frozenset()
_left_out: set[str] = set()


def pytest_configure(config: pytest.Config) -> None:
    global _required  # noqa: PLW0603  # read once, before the environment of every test is made clean
    # A run in the background of a shell ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # Programs that came with this environment's packages, such as uvx and npx, though it was not activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # Runners are started by the hundred. None shall compile these modules again where PYTHONDONTWRITEBYTECODE is set.
    compileall.compile_dir(Path(__file__).parents[1] / "src", quiet=2)
    try:
        _required = needs.required()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("needs"):
            if not marker.args or (unknown := set(marker.args) - needs.NEEDS.keys()):
                raise pytest.UsageError(
                    f"{item.nodeid}: needs(...) takes names of {sorted(needs.NEEDS)}, not {unknown}"
                )


def pytest_collection_finish() -> None:
    # Thousands of tests and all they import are no garbage; without them a search for it takes a millisecond, not 100.
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if reason := needs.missing(name):
                message = f"needs {name} ({reason}): {needs.NEEDS[name].how}"
                if name in _required:
                    pytest.fail(message, pytrace=False)
                pytest.skip(message)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # Told by the reports, for the tests may have run in other processes.
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            _left_out.add(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left_out:
        terminalreporter.section("left out on this machine")
        for message in sorted(_left_out):
            terminalreporter.line(message)


_count = itertools.count()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test alone. As every test has one, it is made with less ado than that of pytest."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    path = tmp_path_factory.getbasetemp() / f"{name}-{next(_count)}"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the user's reaches a test, and no test reaches the user's state.

    HOME and XDG_CACHE_HOME stay, for uv and npm keep there what they fetched; this library writes to neither while the
    folders below are set.
    """
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name, folder in (("XDG_STATE_HOME", "state"), ("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "run")):
        monkeypatch.setenv(name, str(home / folder))
    # The others are made when they are needed; this one is there from the time a user logs in.
    home.joinpath("run").mkdir(mode=0o700)


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A private state folder, for ``Settings(state_dir=...)`` and ``--state-dir``; it does not exist yet."""
    return tmp_path / "workloads"


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[engines.Engine]:
    """A private Docker engine; the test is marked as needing ``docker``."""
    with engines.running("docker") as engine:
        yield engine


@pytest.fixture(scope="session")
def podman_engine() -> Iterator[engines.Engine]:
    """A private Podman engine; the test is marked as needing ``podman``."""
    with engines.running("podman") as engine:
        yield engine


@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in engines.NAMES])
def each_engine(request: pytest.FixtureRequest) -> engines.Engine:
    """Both engines in turn, without a look at what is left in them."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture
def engine(each_engine: engines.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[engines.Engine]:
    """Both engines in turn, where this library looks for them; what a test leaves in one makes it fail."""
    monkeypatch.setenv(each_engine.variable, each_engine.url)
    before = each_engine.present()
    yield each_engine
    if left := each_engine.remove_new(before):
        pytest.fail(f"the test left in {each_engine.name}: {'; '.join(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def _nothing_left_behind(tmp_path: Path, _clean_environment: None):
    """A test that leaves a thread, a process or a descriptor fails, whatever else it found."""
    before = leaks.Snapshot.take()
    yield
    if left := leaks.check(before, tmp_path):
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def _no_blocked_loop():
    """Library code that blocks an event loop fails the test. For all tests at once: to replace functions takes long."""
    with blockbuster_ctx("workloads") as detector:
        for name in _BLOCKING:
            detector.functions[name] = BlockBusterFunction(None, name, scanned_modules="workloads")
            detector.functions[name].activate()
        # Where coverage is measured, its own lock is waited for in whatever line is traced.
        for function in detector.functions.values():
            function.can_block_in("coverage/collector.py", {"lock_data"})
        yield
