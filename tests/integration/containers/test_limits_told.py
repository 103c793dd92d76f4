"""A limit that an engine does not enforce is told when the workload is run or its run config is looked at."""

from __future__ import annotations

import json

import pytest

import workloads
from workloads import RunConfig
from workloads.cli import main
from workloads.config import NetworkPermissions, OutboundPermissions, PermissionProfile

LIMITED = PermissionProfile(network=NetworkPermissions(outbound=OutboundPermissions(allow_host=["example.org"])))
TOLD = "permission_profile.network.outbound: limits nothing without isolate_network"


@pytest.fixture
def command(engine, capsys, monkeypatch):
    """Calls the command in this process, with this engine."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["--runtime", engine.name, *arguments])
        return code, *capsys.readouterr()

    yield call
    with workloads.new_manager(engine.name) as manager:
        manager.delete_workloads([each.name for each in manager.list_workloads(all=True)], grace=0).wait(120)


def test_a_list_of_hosts_without_isolation_is_warned_of_once(engine, command, tmp_path):
    file = tmp_path / "a.yaml"
    config = RunConfig(name="a", image=engine.busybox, command=["idle"], permission_profile=LIMITED)
    file.write_text(config.to_yaml())
    code, out, err = command("validate", str(file))
    assert (code, out) == (0, f"{file}: ok\n")
    assert err.startswith(f"warning: {file}: {TOLD}")
    assert err.count(TOLD) == 1
    code, out, err = command("run", "--from-config", str(file), "--no-wait")
    assert (code, out.startswith("a is ")) == (0, True)
    (told,) = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert (told["level"], told["workload"]) == ("warning", "a")
    assert told["message"].startswith(TOLD)
