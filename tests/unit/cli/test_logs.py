"""``workloads logs``."""

from __future__ import annotations

import pytest
from tests.support.recording_manager import RecordingManager, a_config

from workloads.model import WorkloadStatus


@pytest.fixture
def talkative(command):
    command.manager = RecordingManager(a_config(backend_replicas=2))
    for replica, line in ((0, "first"), (0, "\x1b[2Jsecond\tcolumn"), (1, "third\r")):
        command.manager.add_log_line("time", line, replica=replica)
    command.manager.add_log_line("time", '{"message": "ready"}', proxy=True)
    return command


def test_control_characters_are_spelled_out_in_pipes_too(talkative):
    outcome = talkative("logs", "time")
    assert (outcome.code, outcome.out) == (0, "first\n\\x1b[2Jsecond\tcolumn\nthird\\x0d\n")


def test_raw_leaves_them(talkative):
    assert talkative("logs", "time", "--raw").out == "first\n\x1b[2Jsecond\tcolumn\nthird\r\n"


def test_the_server_is_asked_for_what_the_options_say(talkative):
    assert talkative("logs", "time", "-n", "2", "--replica", "1").out == "third\\x0d\n"
    assert talkative.manager.asked == [("get_logs", ("time",), {"follow": False, "lines": 2, "replica": 1})]


def test_all_lines_are_the_default_and_none_is_possible(talkative):
    talkative("logs", "time")
    talkative("logs", "time", "--lines", "0")
    assert [options["lines"] for _, _, options in talkative.manager.asked] == [None, 0]


def test_the_proxy_has_logs_of_its_own(talkative):
    outcome = talkative("logs", "time", "--proxy", "-n", "1")
    assert outcome.out == '{"message": "ready"}\n'
    assert talkative.manager.asked == [("get_proxy_logs", ("time",), {"follow": False, "lines": 1})]


def test_follow_goes_on_until_the_stream_ends_and_closes_it(talkative, monkeypatch):
    lines = talkative.manager.get_logs

    def ending(name, **options):
        stream = lines(name, **options)
        talkative.manager.add_log_line(name, "later")
        talkative.manager.set_status(name, WorkloadStatus.STOPPED)
        return stream

    monkeypatch.setattr(talkative.manager, "get_logs", ending)
    assert talkative("logs", "time", "--follow").out.splitlines()[-1] == "later"
    assert talkative.manager.streams[0].closed.is_set()


def test_ctrl_c_while_following_closes_the_stream(talkative, monkeypatch):
    def interrupted(line):
        raise KeyboardInterrupt

    monkeypatch.setattr("workloads.cli.text.escape", interrupted)
    assert talkative("logs", "time", "--follow").code == 130
    assert talkative.manager.streams[0].closed.is_set()


def test_an_unknown_workload_is_not_found(talkative):
    assert talkative("logs", "ghost").code == 3


@pytest.mark.parametrize("arguments", [["--lines", "-1"], ["--replica", "-1"], ["--proxy", "--replica", "0"]])
def test_what_makes_no_sense_is_a_usage_error(talkative, arguments):
    assert talkative("logs", "time", *arguments).code == 2
