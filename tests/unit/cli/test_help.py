"""Every command explains itself: examples that it takes, and every exit code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from workloads.cli.app import app
from workloads.cli.exit_codes import MEANINGS, ExitCode

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted(ROOT.joinpath("docs").glob("*.md"))]


def commands(command: click.Command = app, path: tuple[str, ...] = ()):
    """Every command there is, by its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(commands())


def help_of(path: tuple[str, ...]) -> str:
    command, context = app, click.Context(app, info_name="workloads", **app.context_settings)
    for name in path:
        command = command.get_command(context, name)
        context = click.Context(command, info_name=name, parent=context, **command.context_settings)
    return command.get_help(context)


def parsed(line: str) -> None:
    """Let the command parse a line, without doing what it says.

    Raises:
        click.ClickException: It does not take it.
    """
    words = shlex.split(line, comments=True)
    assert words.pop(0) == "workloads"
    for stop in (word for word in words if word in ("|", ">", "&&")):
        words = words[: words.index(stop)]
    context = app.make_context("workloads", words)
    command: click.Command = app
    rest = [*context._protected_args, *context.args]
    while isinstance(command, click.Group) and rest:
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """The files that examples name."""
    monkeypatch.chdir(tmp_path)
    for name in ("notes.yaml", "notes.json", "runconfig.json", "*.json", "time.json"):
        Path(name).touch()


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "workloads")
def test_every_command_has_examples_that_it_takes(path):
    lines = re.findall(r"^ +(workloads .+)$", help_of(path).partition("\nOptions:")[0], re.MULTILINE)
    own = [line for line in lines if line.split()[1 : len(path) + 1] == list(path)]
    assert own, "no example"
    for line in lines:
        parsed(line)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "workloads")
def test_every_command_tells_its_exit_codes(path):
    if path and isinstance(COMMANDS[path], click.Group):
        return  # those of its commands
    told = [int(code) for code in re.findall(r"^ +(\d+)  ", help_of(path).partition("Exit codes:")[2], re.MULTILINE)]
    drains = [ExitCode.OK, ExitCode.FAILURE, ExitCode.USAGE]  # whatever signal comes
    always = [code for code in ExitCode if code is not ExitCode.NOT_FOUND]
    assert told in ([drains] if path == ("proxyrunner",) else [always, list(ExitCode)])


def test_every_exit_code_has_a_meaning_and_the_page_tells_the_same():
    page = ROOT.joinpath("docs", "cli.md").read_text(encoding="utf-8").partition("## Exit codes")[2]
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE)}
    assert rows == dict(MEANINGS)


def test_the_page_tells_of_every_command():
    page = ROOT.joinpath("docs", "cli.md").read_text(encoding="utf-8")
    table = page.partition("| verb |")[2].partition("\n\n")[0]
    assert [name for name in app.list_commands(click.Context(app)) if f"`{name}" not in table] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_type_is_taken(page):
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\$ (workloads .+)$", block, re.MULTILINE):
            parsed(line)
