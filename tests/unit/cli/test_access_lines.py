"""The access log as lines of JSON: the same that the formatter of all other records writes, in fewer writes."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.aio import run, until

from workloads.cli import logs_setup
from workloads.cli.access_lines import AccessLines, Clock, line
from workloads.cli.logs_setup import JsonFormatter
from workloads.proxyrunner.access_log import Access

ACCESS = Access("time", "POST", "/mcp", 200, 0.000093, 200, "127.0.0.1:8080", "0123456789ab", "tools/call")


class Counting(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture(autouse=True)
def _restored(command):
    """The fixture puts the logging of this process back as it was."""


@given(
    access=st.builds(
        Access,
        workload=st.text(),
        method=st.text(),
        path=st.text(),
        status=st.integers(0, 599),
        seconds=st.floats(0, 1e9),
        bytes=st.integers(0),
        backend=st.text(),
        session=st.text(),
        mcp_method=st.text(),
    ),
    seconds=st.integers(0, 2**32),
    eighths=st.integers(0, 7),
)
def test_a_line_is_what_the_formatter_makes_of_the_record(access, seconds, eighths):
    arguments = (access.method, access.path, access.status)
    record = logging.LogRecord("workloads.access", logging.INFO, "", 0, "%s %s %d", arguments, None)
    record.created = seconds + eighths / 8
    vars(record).update(access._asdict())
    assert line(access, Clock().shown(record.created)) == JsonFormatter().format(record) + "\n"


def test_what_is_answered_in_one_turn_of_the_loop_is_written_in_one_go():
    stream = Counting()

    async def whole():
        lines = AccessLines(stream, JsonFormatter())
        for _ in range(3):
            lines.tell(ACCESS)
        assert stream.getvalue() == ""
        await until(lambda: stream.flushes)
        assert stream.getvalue().count("\n") == 3
        lines.tell(ACCESS)
        await until(lambda: stream.flushes == 2)

    run(whole())
    assert (stream.getvalue().count("\n"), stream.flushes) == (4, 2)


def test_what_was_not_written_when_logging_ends_is_written_then():
    stream = io.StringIO()

    async def cut_short():
        lines.tell(ACCESS)

    lines = AccessLines(stream, JsonFormatter())
    run(cut_short())
    logging.shutdown([lambda: lines])
    assert json.loads(stream.getvalue())["path"] == "/mcp"


def test_a_stream_that_is_closed_ends_nothing():
    stream = io.StringIO()
    lines = AccessLines(stream, JsonFormatter())
    stream.close()
    lines.flush()


def test_a_clock_goes_on_to_the_next_second():
    clock = Clock()
    assert [clock.shown(each) for each in (0.0, 0.9999, 1.5)] == [
        "1970-01-01T00:00:00.000+00:00",
        "1970-01-01T00:00:00.999+00:00",
        "1970-01-01T00:00:01.500+00:00",
    ]


def test_a_record_of_somebody_else_on_the_same_logger_is_a_line_too():
    stream = io.StringIO()
    logs_setup.configure(stream=stream)
    logs_setup.log_accesses()
    logging.getLogger("workloads.access").info("hello")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["hello"]


def test_to_configure_again_ends_what_was_set_before():
    former, stream = io.StringIO(), io.StringIO()
    logs_setup.configure(stream=former)
    logs_setup.log_accesses()
    logs_setup.configure(stream=stream)
    logging.getLogger("workloads.access").warning("hello")
    assert (former.getvalue(), stream.getvalue().count("\n")) == ("", 1)


def test_on_a_terminal_accesses_go_the_way_of_all_records():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs_setup.configure(stream=stream)
    logs_setup.log_accesses()
    logging.getLogger("workloads.access").info("hello")
    assert "hello" in stream.getvalue()
    assert logging.getLogger("workloads.access").handlers == []
