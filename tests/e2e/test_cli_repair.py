"""``workloads update``, ``recover`` and ``prune`` with real runners."""

from __future__ import annotations

import json
import os
import signal

import pytest
from tests.support.mcp_client import call_tool
from tests.support.quick import quick, record_of, runner_of
from tests.support.waiting import wait_until

from workloads._core import process
from workloads.cli import main


@pytest.fixture
def command(capsys, manager):
    """Calls the command in this process; what it leaves behind is removed by the fixture ``manager``."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--runtime", "process", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_update_takes_what_get_config_gave(command, manager, tmp_path):
    url = manager.run_workload_detached(quick(), wait=20).url
    document = json.loads(command("get", "quick", "--config")[1])
    document["env_vars"] = {"NEW": "yes"}
    file = tmp_path / "quick.json"
    file.write_text(json.dumps(document))
    code, out, _ = command("update", "quick", "--from-config", str(file))
    assert (code, out) == (0, f"quick: running at {url}\n")
    assert json.loads(call_tool(url, "env"))["NEW"] == "yes"


def test_a_failed_update_says_why_and_that_the_old_one_runs_again(command, manager, tmp_path):
    url = manager.run_workload_detached(quick(), wait=20).url
    file = tmp_path / "quick.yaml"
    file.write_text(quick("quick", "--die", "7").to_yaml())
    code, _, err = command("update", "quick", "--from-config", str(file))
    assert code == 1
    assert "exited with code 7" in err
    assert "runs again as it was before" in err
    assert call_tool(url, "echo", text="old") == "old"


def test_recover_starts_what_a_crash_ended(command, manager):
    manager.run_workload_detached(quick(), wait=20)
    runner = record_of("quick").runner
    assert runner is not None
    os.kill(runner_of("quick"), signal.SIGKILL)
    wait_until(lambda: not process.is_alive(runner))
    code, out, _ = command("recover")
    assert (code, out) == (0, "quick: running\n")


def test_prune_tells_what_it_removed(command, manager):
    manager.run_workload_detached(quick(), wait=20)
    manager.stop_workloads(["quick"]).wait(20)
    assert command("prune")[1] == ""
    manager._inventory.configs.delete("quick")
    assert command("prune", "--json")[:2] == (0, '["quick"]\n')
