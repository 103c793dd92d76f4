"""Which interpreter runs proxy runners, and what it gets of its caller's environment."""

from __future__ import annotations

import sys

import pytest

from workloads.errors import CommandNotFoundError
from workloads.managers.interpreter import find_interpreter, runner_environment


def test_a_runner_gets_no_variable_that_it_does_not_need():
    environ = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "canary", "PYTHONSTARTUP": "x.py", "LC_TIME": "C"}

    assert runner_environment(environ) == {"PATH": "/bin", "LC_TIME": "C"}


def test_a_runner_is_told_where_its_spans_go_and_not_what_a_collector_knows_it_by():
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SERVICE_NAME": "notes"}
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=canary"}

    assert runner_environment({**told, **headers}) == told


def test_folders_that_packages_are_found_in_are_named_from_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    found = runner_environment({"PYTHONPATH": "src:/opt/lib::.", "LD_LIBRARY_PATH": "lib"})

    assert found == {"PYTHONPATH": f"{tmp_path}/src:/opt/lib:{tmp_path}", "LD_LIBRARY_PATH": f"{tmp_path}/lib"}


def test_folders_below_a_working_folder_that_is_gone_are_left_out(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert runner_environment({"PYTHONPATH": "src:/opt/lib"}) == {"PYTHONPATH": "/opt/lib"}
    with pytest.raises(CommandNotFoundError, match="bin/python"):
        find_interpreter("bin/python")


def test_the_interpreter_is_this_one_or_the_one_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python9").symlink_to(sys.executable)

    assert find_interpreter(None) == sys.executable
    assert find_interpreter("bin/python9") == str(tmp_path / "bin" / "python9")
    assert find_interpreter("python9") == str(tmp_path / "bin" / "python9")
    with pytest.raises(CommandNotFoundError, match="python8"):
        find_interpreter("python8")


def test_a_program_that_hosts_python_has_to_name_an_interpreter(monkeypatch):
    monkeypatch.setattr(sys, "executable", None)

    with pytest.raises(CommandNotFoundError, match=r"Settings\.python"):
        find_interpreter(None)
