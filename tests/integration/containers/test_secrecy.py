"""Where the secrets of a workload can be seen, and where not."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from tests.support.mcp_client import call_tool

import workloads
from workloads import RunConfig
from workloads._core.paths import Paths

pytestmark = [pytest.mark.needs("mcp"), pytest.mark.timeout(300)]

# Nobody else on this machine has these.
IN_ENVIRONMENT, IN_FILE = uuid4().hex, uuid4().hex
SECRETS = ("TOKEN,target=TOKEN", "KEY,target=/run/secrets/key")
COMMAND = ("sh", "-c", "cat /run/secrets/key >/dev/null && exec python3 -I -S /servers/quick_stdio.py")


def titles():
    """The words of every process of this machine, those in containers included."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            yield " ".join(process.cmdline())


def shows(text):
    return IN_ENVIRONMENT in text or IN_FILE in text


def revealing(*folders):
    """The files in folders that have a secret in them."""
    for path in (path for folder in folders for path in folder.rglob("*")):
        with contextlib.suppress(OSError):  # it is a folder, or gone
            if shows(path.read_text("latin-1")):
                yield path


def test_a_secret_is_in_no_label_image_log_file_or_title(engine, monkeypatch):
    """The environment of a container is told by its engine, as is documented; a secret file is not."""
    monkeypatch.setenv("TOOLHIVE_SECRET_TOKEN", IN_ENVIRONMENT)
    monkeypatch.setenv("TOOLHIVE_SECRET_KEY", IN_FILE)
    monkeypatch.setenv("WORKLOADS_DEBUG", "1")
    config = RunConfig(name="a", image=engine.python, command=COMMAND, secrets=SECRETS)
    with workloads.new_manager(engine.name) as manager, contextlib.closing(engine.client()) as client:
        workload = manager.run_workload_detached(config, wait=120)
        try:
            assert call_tool(workload.url, "echo", text="hello") == "hello"
            (container,) = client.containers(filters={"label": "workloads.basename=a"})
            told = client.inspect_container(container["Id"])
            assert f"TOKEN={IN_ENVIRONMENT}" in told["Config"]["Env"]
            told["Config"]["Env"] = []
            assert not shows(json.dumps([told, container]))
            assert not shows(json.dumps([client.inspect_image(engine.python), client.history(engine.python)]))
            assert not shows(client.logs(container["Id"]).decode())
            with manager.get_logs("a") as lines, manager.get_proxy_logs("a") as others:
                assert not shows("\n".join([*lines, *others]))
            paths = Paths.locate()
            assert Path(paths.runconfigs, "a.json").exists()
            assert list(revealing(paths.state, paths.data)) == []
            assert [title for title in titles() if shows(title)] == []
        finally:
            manager.delete_workloads(["a"], grace=5).wait(120)
        assert list(revealing(Path("/dev/shm"))) == []
