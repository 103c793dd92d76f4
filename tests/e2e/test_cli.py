"""The real ``workloads`` command: real processes, pipes, signals and terminals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support import leaks, plain_client
from tests.support.mcp_client import call_tool
from tests.support.waiting import wait_until

from workloads import LocalManager

WORKLOADS = str(Path(sys.executable).with_name("workloads"))
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
QUICK = (sys.executable, str(Path(__file__).parents[1] / "servers" / "quick_stdio.py"))


def start(*arguments: str, **options) -> subprocess.Popen[str]:
    """The command, left running, with pipes for its output."""
    defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([WORKLOADS, *arguments], **defaults | options)


def run(*arguments: str, code: int = 0, timeout: float = 50, **options) -> tuple[str, str]:
    """What the command writes to its output and to its error; it must end with this code."""
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=timeout)
    assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err
    return out, err


def on_terminal(*arguments: str) -> tuple[int, str]:
    """The exit code, and what a person at a terminal sees, as it is written."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # the last writer is gone
            while chunk := os.read(ours, 4096):
                seen += chunk
    os.close(ours)
    return process.returncode, seen.decode()


def run_quick(name: str = "quick", *options: str, arguments: tuple[str, ...] = ()) -> str:
    """Run the quick server and return its URL."""
    out, _ = run("run", name, *options, "--", *QUICK, *arguments)
    return out.split()[-1]


@pytest.fixture(autouse=True)
def _removed(manager):
    """What a test leaves is removed by this process: to start the command for it would take as long as many a test."""


def shown(*arguments: str) -> list[dict]:
    return json.loads(run("list", "--json", "--all", *arguments)[0])


def test_a_workload_is_run_found_used_stopped_started_restarted_and_removed():
    url = run_quick("quick", "--label", "team=search", "--env", "COLOUR=blue")
    assert call_tool(url, "echo", text="hello") == "hello"
    assert json.loads(call_tool(url, "env"))["COLOUR"] == "blue"

    lines = [line.split() for line in run("list")[0].splitlines()]
    assert lines[0] == ["NAME", "STATUS", "URL", "GROUP", "RUNTIME", "AGE"]
    assert lines[1][:5] == ["quick", "running", url, "default", "process"]
    assert [each["name"] for each in shown("--label", "team=search")] == ["quick"]
    assert shown("--label", "team=other") == []
    got = json.loads(run("get", "quick", "--json")[0])
    assert got.pop("usage")["sleeps"] is False
    assert got == shown()[0]
    assert "called echo\n" in run("logs", "quick")[0]

    assert run("stop", "quick")[0] == "quick: stopped\n"
    assert run("list")[1] == "no workload runs; `workloads list --all` shows the others\n"
    assert run("start", "quick")[0] == f"quick: running at {url}\n"
    assert call_tool(url, "echo", text="again") == "again"
    assert run("restart", "quick")[0] == f"quick: running at {url}\n"
    assert run("rm", "quick")[0] == "quick: removed\n"
    assert shown() == []


def test_a_group_is_created_used_and_removed_with_its_workload_moved():
    _, err = run("run", "quick", "--group", "engineering", "--", *QUICK, code=3)
    assert "error: group 'engineering' not found; `workloads group create` makes one\n" in err
    run("group", "create", "engineering")
    run_quick("quick", "--group", "engineering")
    assert [each["name"] for each in shown("--group", "engineering")] == ["quick"]
    assert [each["name"] for each in shown("--group", "default")] == []
    run("group", "rm", "engineering", code=1)
    run("group", "rm", "engineering", "--move-to", "default")
    assert [each["name"] for each in shown("--group", "default")] == ["quick"]
    assert run("group", "list")[0].splitlines()[1:] == ["default  1"]
    run("rm", "--all", "--grace", "5")
    assert shown() == []


def test_what_get_prints_can_be_run_again(tmp_path):
    run_quick()
    file = tmp_path / "quick.json"
    file.write_text(run("get", "quick", "--config")[0])
    run("rm", "quick")
    url = run("run", "--from-config", str(file))[0].split()[-1]
    assert call_tool(url, "echo", text="same") == "same"


def test_a_state_folder_of_its_own_is_seen_by_nobody_else(state_dir):
    run("run", "quick", "--state-dir", str(state_dir), "--", *QUICK)
    assert shown() == []
    assert [each["name"] for each in shown("--state-dir", str(state_dir))] == ["quick"]
    run("rm", "quick", "--state-dir", str(state_dir))


def test_one_failure_of_several_is_exit_code_1_and_the_others_are_done():
    run_quick()
    out, err = run("stop", "ghost", "quick", code=1)
    assert out == "quick: stopped\n"
    assert "error: ghost: workload 'ghost' not found; `workloads list --all` shows those that exist\n" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["get", "ghost"], 3, "error: workload 'ghost' not found"),
        (["logs", "ghost"], 3, "error: workload 'ghost' not found"),
        (["get", "no/name"], 2, "error: invalid workload name 'no/name'"),
        (["list", "--group", "nobody"], 3, "error: group 'nobody' not found"),
        (["run", "x", "ghcr.io/acme/time:1", "--runtime", "process"], 2, "error: invalid run config"),
        (["run", "x", "--", "/no/such/program"], 1, "error: "),
        (["detect", "--runtime", "abacus"], 2, "error: runtime 'abacus' not found; usable here: "),
    ],
)
def test_an_error_is_one_message_and_its_exit_code(arguments, code, message):
    out, err = run(*arguments, code=code)
    assert out == ""
    assert message in err


def test_a_server_that_dies_at_its_start_fails_the_run_with_its_last_words():
    _, err = run("run", "broken", "--", *QUICK, "--die", "3", code=1)
    assert "error: workload 'broken' failed: " in err
    assert "dying with 3" in err


def test_one_that_is_not_ready_in_time_fails_the_run_and_goes_on():
    _, err = run("run", "mute", "--wait", "0.5", "--", *QUICK, "--mute", "--say", "I am here", code=1)
    assert "was not ready after 0.5 s" in err
    assert [each["status"] for each in shown()] == ["starting"]


def test_what_a_server_writes_cannot_act_on_the_terminal():
    run_quick(arguments=("--say", "\x1b[2Jcleared\rforged \u202egnp"))
    line = "\\x1b[2Jcleared\\x0dforged \\u202egnp"
    wait_until(lambda: line in run("logs", "quick")[0])
    code, seen = on_terminal("logs", "quick")
    assert code == 0
    assert line in seen
    assert "\x1b[2Jcleared" in run("logs", "quick", "--raw")[0]


def test_the_last_lines_can_be_asked_for():
    run_quick(arguments=("--say", "one", "--say", "two", "--say", "three"))
    wait_until(lambda: len(run("logs", "quick")[0].splitlines()) >= 3)
    assert run("logs", "quick", "--lines", "1")[0] == "three\n"


def test_following_logs_shows_new_lines_and_ctrl_c_ends_it_cleanly():
    url = run_quick()
    with start("logs", "quick", "--follow", "--lines", "0") as process:
        # Whether it listens already cannot be seen from outside, so the server is made to write until it does.
        def written() -> bool:
            call_tool(url, "echo", text="x")
            return bool(select.select([process.stdout], [], [], 0.1)[0])

        wait_until(written)
        assert process.stdout.readline() == "called echo\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=50)
    assert process.returncode == 130
    assert err.strip() == "interrupted"


def test_following_logs_ends_with_the_workload():
    run_quick()
    with start("logs", "quick", "--follow") as process:
        run("stop", "quick")
        process.communicate(timeout=50)
    assert process.returncode == 0


def test_ctrl_c_while_waiting_for_ready_leaves_the_workload_starting():
    with start("run", "mute", "--", *QUICK, "--mute") as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["starting"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"
    assert [each["name"] for each in shown()] == ["mute"]


@pytest.mark.needs("linux")
@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_in_the_foreground_a_signal_ends_the_workload_and_its_server(tmp_path, number):
    with start("run", "quick", "--foreground", "--", *QUICK, "--say", "hello \x1b[1m") as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["running"])
        assert any(QUICK[1] in leaks.command_line(pid) for pid in leaks.strays(tmp_path))
        process.send_signal(number)
        out, err = process.communicate(timeout=50)
    assert process.returncode == 0
    assert "hello \\x1b[1m\n" in out
    assert "Traceback" not in err
    assert ("Thread 0x" in err) is (number == signal.SIGQUIT)
    wait_until(lambda: not leaks.strays(tmp_path))
    assert [each["status"] for each in shown()] == ["stopped"]


@pytest.mark.parametrize("number", ENDING)
def test_in_the_foreground_a_signal_lets_a_call_finish_and_refuses_what_is_new(number, tmp_path):
    enough = tmp_path / "enough"
    with start("run", "quick", "--foreground", "--", *QUICK) as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["running"])
        url = shown()[0]["url"]
        with ThreadPoolExecutor(1) as threads, plain_client.kept_alive(url) as kept:
            calling = threads.submit(plain_client.call, url, "slow", text="done", until=str(enough))
            wait_until(lambda: "slow begins" in run("logs", "quick")[0])
            process.send_signal(number)
            wait_until(lambda: plain_client.refused(url))
            plain_client.assert_refused_kindly(kept)
            for further in (signal.SIGTERM, signal.SIGQUIT):  # a second Ctrl-C is another matter
                process.send_signal(further)
            assert process.poll() is None
            enough.touch()
            _, err = process.communicate(timeout=50)
            assert calling.result(30) == "done"
    assert process.returncode == 0, err


@pytest.mark.parametrize("number", ENDING)
def test_in_the_foreground_a_signal_before_its_server_is_ready_ends_it_cleanly(tmp_path, number):
    with start("run", "mute", "--foreground", "--", *QUICK, "--mute") as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["starting"])
        process.send_signal(number)
        _, err = process.communicate(timeout=50)
    assert (process.returncode, "Traceback" in err) == (0, False)
    wait_until(lambda: not leaks.strays(tmp_path))


@pytest.mark.parametrize("number", ENDING)
def test_in_the_foreground_a_signal_while_its_server_wakes_ends_it_cleanly(tmp_path, number):
    spoilt, waking = tmp_path / "spoilt", tmp_path / "waking"
    script = f'if test -e {spoilt}; then touch {waking}; exec cat >/dev/null; else exec "$@"; fi'
    config = tmp_path / "sleepy.json"
    command = ["sh", "-c", script, "sh", *QUICK]
    config.write_text(json.dumps({"name": "sleepy", "transport": "stdio", "command": command, "idle_timeout": "1h"}))
    with (
        start("run", "--from-config", str(config), "--foreground") as process,
        contextlib.closing(LocalManager.open()) as manager,
        ThreadPoolExecutor(1) as threads,
    ):
        wait_until(lambda: [each.status for each in manager.list_workloads()] == ["running"])
        manager.sleep_workload("sleepy")
        spoilt.touch()
        calling = threads.submit(plain_client.call, manager.get_workload("sleepy").url, "echo", text="never")
        wait_until(waking.exists)
        process.send_signal(number)
        _, err = process.communicate(timeout=50)
        with pytest.raises(urllib.error.HTTPError, match="503") as refusal:
            calling.result(30)
        refusal.value.close()
    assert (process.returncode, "Traceback" in err) == (0, False)
    wait_until(lambda: not leaks.strays(tmp_path))


def test_in_the_foreground_a_second_ctrl_c_does_not_wait(tmp_path):
    enough = tmp_path / "enough"
    with start("run", "quick", "--foreground", "--", *QUICK) as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["running"])
        url = shown()[0]["url"]
        with ThreadPoolExecutor(1) as threads:
            calling = threads.submit(plain_client.call, url, "slow", text="done", until=str(enough))
            wait_until(lambda: "slow begins" in run("logs", "quick")[0])
            process.send_signal(signal.SIGINT)
            wait_until(lambda: plain_client.refused(url))
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=50)
            assert not calling.done()
            # The runner drains all the same.
            enough.touch()
            assert calling.result(30) == "done"
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")
    wait_until(lambda: [each["status"] for each in shown()] == ["stopped"])


def test_in_the_foreground_a_stop_from_elsewhere_ends_the_command():
    with start("run", "quick", "--foreground", "--", *QUICK) as process:
        wait_until(lambda: [each["status"] for each in shown()] == ["running"])
        run("stop", "quick")
        process.communicate(timeout=50)
    assert process.returncode == 0


def test_in_the_foreground_a_reader_that_went_away_does_not_end_the_workload():
    reading, writing = os.pipe()
    os.close(reading)
    with start("run", "quick", "--foreground", "--", *QUICK, "--say", "hello", stdout=writing) as process:
        os.close(writing)
        wait_until(lambda: [each["status"] for each in shown()] == ["running"])
        assert call_tool(shown()[0]["url"], "echo", text="still here") == "still here"
        assert process.poll() is None
        run("stop", "quick")
        _, err = process.communicate(timeout=50)
    assert "Traceback" not in err


def test_shells_can_complete_it():
    script, _ = run(env={**os.environ, "_WORKLOADS_COMPLETE": "bash_source"})
    assert "complete" in script


@pytest.mark.parametrize("arguments", [["list", "--json"], ["--help"], ["detect"]], ids=" ".join)
def test_a_reader_that_went_away_ends_it_without_a_word(arguments):
    run_quick()
    reading, writing = os.pipe()
    os.close(reading)
    with start(*arguments, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=50)
    assert process.returncode == 141
    assert err == ""


def test_logs_that_nobody_reads_any_more_end_without_a_word():
    run_quick(arguments=("--flood", "200"))
    with start("logs", "quick") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=50) == 141
        assert process.stderr.read() == ""


def test_standard_output_that_is_closed_is_no_failure():
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{WORKLOADS}' list --json >&-"], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""


@pytest.mark.needs("linux")
def test_a_full_disk_behind_the_output_is_a_failure_with_a_sentence():
    with Path("/dev/full").open("w") as full:
        assert run("list", "--json", code=1, stdout=full)[1] == "error: No space left on device\n"


def test_a_narrow_locale_is_no_failure():
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    run_quick(arguments=("--say", "snow 雪"))
    wait_until(lambda: "snow" in run("logs", "quick")[0])
    assert run("logs", "quick", env=environment)[0].startswith("snow \\u96ea\n")


def test_on_a_terminal_there_is_a_table_with_colour():
    url = run_quick()
    code, seen = on_terminal("list")
    assert code == 0
    assert "\x1b[1mNAME" in seen
    assert "\x1b[32mrunning" in seen
    assert url in seen


def test_on_a_terminal_a_run_shows_progress_and_leaves_one_line():
    code, seen = on_terminal("run", "quick", "--", *QUICK)
    assert code == 0
    assert "quick: starting" in seen
    assert re.search(r"quick is running at http://127\.0\.0\.1:\d+/mcp\r\n$", seen)


def test_debug_logs_are_json_lines_off_a_terminal():
    _, err = run("list", "--debug")
    records = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert all(record["logger"].startswith("workloads") for record in records)


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "workloads", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == run("--version")[0]


@pytest.mark.needs("git", "mcp", "mcp-server-git", "mcp-server-time")
def test_the_demo_shows_three_real_servers_and_leaves_nothing():
    summary = json.loads(run("demo", "--json", timeout=100)[0])
    assert summary["ok"] is True
    assert summary["results"]["adder"] == "5"
    assert json.loads(summary["results"]["time"])["timezone"] == "UTC"
    assert "The first commit" in summary["results"]["git"]
    assert shown() == []


@pytest.mark.needs("git", "mcp", "mcp-server-git", "mcp-server-time")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path, number, code):
    place = tmp_path / "tmp"
    place.mkdir()
    with start("demo", env={**os.environ, "TMPDIR": str(place)}) as process:
        for line in process.stdout:
            if "Start adder" in line:
                process.send_signal(number)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert "nothing is left" in out
    assert list(place.iterdir()) == []
