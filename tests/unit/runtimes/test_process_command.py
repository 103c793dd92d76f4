"""Which program a run config means, and where it is."""

from __future__ import annotations

import sys

import pytest

from workloads import RunConfig
from workloads.config.build import BuildConfig
from workloads.errors import CommandNotFoundError
from workloads.runtimes.process.command import argument_vector, find_program


@pytest.fixture
def folder(tmp_path):
    """A folder on PATH with a program ``prog``."""
    program = tmp_path / "bin" / "prog"
    program.parent.mkdir()
    program.touch(0o755)
    return program.parent


@pytest.mark.parametrize(
    ("config", "argv"),
    [
        ({"command": ["a", "b"], "cmd_args": ["c"]}, ["a", "b", "c"]),
        ({"image": "uvx://mcp-server-time"}, ["uvx", "mcp-server-time"]),
        ({"image": "uvx://pkg@1.2", "cmd_args": ["--x"]}, ["uvx", "pkg@1.2", "--x"]),
        ({"image": "uvx://pkg[extra]@1.2"}, ["uvx", "pkg[extra]@1.2"]),
        (
            {"image": "uvx://pkg", "runtime_config": BuildConfig(build_with=["a<2", "b"])},
            ["uvx", "--with=a<2", "--with=b", "pkg"],
        ),
        ({"image": "npx://pkg"}, ["npx", "--yes", "pkg"]),
        ({"image": "npx://@scope/pkg@1", "cmd_args": ["--x", "y"]}, ["npx", "--yes", "@scope/pkg@1", "--x", "y"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_program_and_its_arguments(config, argv):
    assert argument_vector(RunConfig(name="a", **config)) == argv


def test_a_name_is_looked_for_on_path(folder):
    assert find_program("prog", f"/nowhere:{folder}") == str(folder / "prog")


def test_an_absolute_path_is_taken_as_it_is(folder):
    (folder / "prog").chmod(0o644)  # that it cannot be run is told when it is run
    assert find_program(str(folder / "prog"), "") == str(folder / "prog")


def test_what_cannot_be_run_and_folders_are_passed_over(folder, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "prog").touch(0o644)
    (tmp_path / "second" / "prog").mkdir(parents=True)
    path = f"{tmp_path}/first:{tmp_path}/second:{folder}"
    assert find_program("prog", path) == str(folder / "prog")


def test_relative_folders_on_path_mean_nothing(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(CommandNotFoundError):
        find_program("prog", "::.:../bin")


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("uvx", "pip install uv"),
        ("npx", "Node.js"),
        ("prog", "PATH is /nowhere"),
        ("/nowhere/prog", "there is no such file"),
    ],
)
def test_a_missing_program_is_an_error_that_says_how_to_get_it(program, hint, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CommandNotFoundError, match=hint) as caught:
        find_program(program, "/nowhere")
    assert caught.value.command == program


def test_uvx_is_found_beside_the_interpreter_of_an_environment_that_is_not_activated(folder, monkeypatch):
    (folder / "uvx").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    assert find_program("uvx", "/nowhere") == str(folder / "uvx")
    with pytest.raises(CommandNotFoundError):
        find_program("prog", "/nowhere")


def test_an_interpreter_without_a_place_is_passed_over(folder, monkeypatch):
    (folder / "uvx").touch(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(CommandNotFoundError):
        find_program("uvx", "/nowhere")
