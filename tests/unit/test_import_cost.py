"""What an import costs, as a count of modules: counts are the same on every machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What takes long to import and is not needed to describe a workload or to hold a manager.
SLOW = {
    "aiohttp", "asyncio", "cattrs", "click", "concurrent.futures", "docker", "fastmcp", "grpc", "httptools", "json",
    "kubernetes", "logging", "mcp", "psutil", "pydantic", "redis", "rich", "socket", "ssl", "subprocess", "tempfile",
    "urllib.request", "uvicorn", "uvloop", "yaml",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The modules that a statement loads, in a fresh interpreter, beyond those of its start."""
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nfound = sorted(set(sys.modules) - before)\n"
    script += "import json\nprint(json.dumps(found))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_else():
    assert loaded_by("import workloads") - {"__future__"} == {"workloads"}


@pytest.mark.parametrize(
    "code",
    [
        "from workloads import RunConfig; RunConfig(name='a', image='uvx://b', transport='stdio')",
        "from workloads import RunConfig, new_manager; RunConfig(name='a', image='uvx://b'); new_manager('process')",
        "import workloads; workloads.WorkloadsError",
        "import workloads.cli",
    ],
    ids=["a run config", "a manager", "an error", "the command's entry point"],
)
def test_first_use_loads_nothing_slow(code):
    assert loaded_by(code) & SLOW == set()


def test_sessions_load_nothing_else_of_the_library_and_no_client():
    loaded = loaded_by("import workloads.session")
    assert {name for name in loaded if name.startswith("workloads.")} == {
        "workloads._core", "workloads._core.lazy", "workloads.errors", "workloads.session",
    }  # fmt: skip
    loaded = loaded_by("from workloads.session import LocalStorage, Session; LocalStorage(ttl=1); Session(id='a')")
    ours = {name.split(".")[1] for name in loaded if name.startswith("workloads.")}
    assert ours == {"session", "errors", "_core"}
    assert "redis" not in loaded


def test_a_run_config_and_a_manager_cost_at_most_thirty_modules_of_ours():
    loaded = loaded_by("from workloads import RunConfig, new_manager; RunConfig(name='a'); new_manager('process')")
    ours = {name for name in loaded if name.partition(".")[0] == "workloads"}
    assert len(ours) <= 30, sorted(ours)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list", "--help"]], ids=" ".join)
def test_help_loads_no_manager_and_no_table_drawing(arguments):
    loaded = loaded_by(
        "import contextlib, io; from workloads.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): main({arguments})"
    )
    assert (
        loaded & {"workloads.factory", "workloads.managers", "rich", "asyncio", "mcp", "workloads.cli.proxyrunner"}
        == set()
    )


def test_a_proxy_runner_reads_no_metadata_of_packages_and_nothing_of_other_transports():
    loaded = loaded_by("import workloads.proxyrunner.stage, workloads.managers.owner")
    assert loaded & {"importlib.metadata", "email.message", "redis", "mcp", "workloads.proxyrunner.bridge"} == set()


def test_scale_to_zero_is_used_without_the_rest():
    ours = {name for name in loaded_by("import workloads.scaletozero") if name.startswith("workloads")}
    assert ours == {"workloads", "workloads._core", "workloads._core.lazy", "workloads.scaletozero"}
    loaded = loaded_by(
        "from workloads.scaletozero import DebouncedController\n"
        "from workloads.scaletozero.togglers import UnikraftToggler\n"
        "with DebouncedController(UnikraftToggler()) as controller: controller.acquire().release()"
    )
    assert loaded & (SLOW - {"logging"}) == set()
    ours = {name.split(".")[1] for name in loaded if name.startswith("workloads.")}
    assert ours == {"_core", "errors", "scaletozero"}
