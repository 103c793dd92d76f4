from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads._core.tail import MAX_LINE, LineStream
from workloads.errors import StateError
from workloads.manager import Stream


@pytest.fixture
def log(tmp_path):
    return tmp_path / "a.log"


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def told(*paths, **options):
    with LineStream(paths, **options) as stream:
        return list(stream)


class Reader:
    """Reads a stream in a thread, so that a test can wait for what it has told."""

    def __init__(self, stream):
        self.stream = stream
        self.lines = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.stream:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def expect(self, *lines):
        with self.changed:
            assert self.changed.wait_for(lambda: self.lines == list(lines), 30), self.lines

    def close(self):
        self.stream.close()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def follow():
    readers = []

    def start(*paths, **options):
        readers.append(Reader(LineStream(paths, follow=True, **options)))
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


def test_it_is_a_stream(log):
    stream: Stream[str] = LineStream([log])
    assert isinstance(stream, Stream)
    stream.close()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(None, ["1", "2", "3"]), (0, []), (1, ["3"]), (2, ["2", "3"]), (3, ["1", "2", "3"]), (9, ["1", "2", "3"])],
)
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unfinished", "finished"])
def test_the_last_lines_are_told(log, lines, expected, end):
    log.write_bytes(b"1\n2\n3" + end)
    assert told(log, lines=lines) == expected


@given(st.lists(st.text("ab\r", max_size=4), max_size=12), st.integers(0, 14), st.booleans())
def test_the_last_lines_of_any_file_are_told(tmp_path_factory, lines, count, finished):
    log = tmp_path_factory.mktemp("any") / "a.log"
    text = "\n".join(lines) + ("\n" if lines and finished else "")
    log.write_bytes(text.encode())
    expected = [line.removesuffix("\r") for line in text.split("\n")]
    if not expected[-1] and not text.endswith("\r"):
        expected.pop()
    assert told(log) == expected
    assert told(log, lines=count) == (expected[-count:] if count else [])


def test_the_last_lines_are_found_in_a_large_file(log):
    lines = [f"{number} " + "x" * (number % 3000) for number in range(2000)]
    log.write_text("\n".join(lines) + "\n")
    assert told(log, lines=700) == lines[-700:]
    assert told(log) == lines


def test_lines_that_end_where_a_block_begins_are_found(log):
    log.write_bytes(b"first\n" + b"x" * (MAX_LINE - 1) + b"\n")
    assert told(log, lines=2) == ["first", "x" * (MAX_LINE - 1)]
    assert told(log, lines=1) == ["x" * (MAX_LINE - 1)]


@pytest.mark.parametrize("lines", [None, 3])
def test_a_file_that_is_missing_or_empty_has_no_lines(log, lines):
    assert told(log, lines=lines) == []
    log.touch()
    assert told(log, lines=lines) == []


def test_empty_lines_are_lines(log):
    log.write_bytes(b"\n\na\n\n")
    assert told(log) == ["", "", "a", ""]
    assert told(log, lines=2) == ["a", ""]


def test_files_are_told_one_after_the_other(log, tmp_path):
    other = tmp_path / "b.log"
    log.write_bytes(b"a1\na2\na3")
    other.write_bytes(b"b1\nb2\nb3\n")
    assert told(log, other, lines=2) == ["a2", "a3", "b2", "b3"]


def test_bytes_that_are_not_utf8_are_replaced(log):
    log.write_bytes(b"\xff\xc3(\nok\xe2\x82\xac\n")
    assert told(log) == ["��(", "ok€"]


def test_carriage_returns_stay_but_at_the_end(log):
    log.write_bytes(b"10%\r20%\r\n")
    assert told(log) == ["10%\r20%"]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["unfinished", "finished"])
def test_a_long_line_comes_in_pieces(log, end):
    log.write_bytes(b"x" * (2 * MAX_LINE + 5) + end + b"y")
    pieces = told(log)
    assert "".join(pieces) == "x" * (2 * MAX_LINE + 5) + "y"
    assert [len(piece) for piece in pieces[:2]] == [MAX_LINE, MAX_LINE]


@pytest.mark.parametrize("shift", range(4))
def test_no_character_is_cut_when_a_line_is(log, shift):
    text = "x" * shift + "€🙂" * MAX_LINE
    log.write_text(text + "\n", encoding="utf-8")
    pieces = told(log)
    assert "".join(pieces) == text
    assert all(MAX_LINE - 4 <= len(piece.encode()) <= MAX_LINE for piece in pieces[:-1])


@given(st.binary(max_size=50))
def test_any_bytes_can_be_a_log(tmp_path_factory, data):
    log = tmp_path_factory.mktemp("any") / "a.log"
    log.write_bytes(data)
    lines = told(log)
    assert all("\n" not in line for line in lines)
    assert told(log, lines=len(lines)) == lines


def test_appended_lines_follow(log, follow):
    log.write_bytes(b"old\n")
    reader = follow(log)
    reader.expect("old")
    append(log, b"new\nhal")
    reader.expect("old", "new")
    append(log, b"f\n")
    reader.expect("old", "new", "half")


def test_with_lines_0_only_new_ones_are_told(log, follow):
    log.write_bytes(b"old\n")
    reader = follow(log, lines=0)
    append(log, b"new\n")
    reader.expect("new")


def test_a_file_that_comes_later_is_told_from_its_beginning(log, follow):
    reader = follow(log, lines=0)
    append(log, b"1\n2\n")
    reader.expect("1", "2")


def test_rotation_loses_nothing(log, follow, tmp_path):
    log.write_bytes(b"1\n")
    reader = follow(log)
    reader.expect("1")
    append(log, b"2\nrest")
    log.rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", b" of the old\n3")
    append(log, b"4\n")
    reader.expect("1", "2", "rest of the old", "3", "4")


def test_a_writer_that_goes_on_in_the_renamed_file_is_heard_until_there_is_a_new_one(log, follow, tmp_path):
    log.write_bytes(b"1\n")
    reader = follow(log)
    reader.expect("1")
    log.rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", b"2\n")
    reader.expect("1", "2")
    append(log, b"3\n")
    reader.expect("1", "2", "3")


def test_a_file_that_is_removed_and_made_anew_is_told_from_its_beginning(log, follow):
    log.write_bytes(b"1\n")
    reader = follow(log)
    reader.expect("1")
    log.unlink()
    append(log, b"1\n")
    reader.expect("1", "1")


def test_a_file_that_is_cut_is_told_from_its_beginning(log, follow):
    log.write_bytes(b"1\n2\nun")
    reader = follow(log)
    reader.expect("1", "2")
    os.truncate(log, 0)
    append(log, b"3\n")
    reader.expect("1", "2", "un", "3")


def test_several_files_are_followed(log, follow, tmp_path):
    other = tmp_path / "b.log"
    reader = follow(log, other)
    append(other, b"b\n")
    reader.expect("b")
    append(log, b"a\n")
    reader.expect("b", "a")


def test_it_ends_after_what_was_written_before_the_end(log):
    log.write_bytes(b"1\n")

    def ended():
        append(log, b"2\nlast words")
        return True

    assert told(log, follow=True, ended=ended) == ["1", "2", "last words"]


def test_a_missing_file_of_an_ended_workload_has_no_lines(log):
    assert told(log, follow=True, ended=lambda: True) == []


def test_without_follow_nobody_is_asked_for_the_end(log):
    log.write_bytes(b"1\n")
    assert told(log, ended=lambda: pytest.fail("asked")) == ["1"]


def test_close_ends_a_blocked_next_within_100_ms(log, follow):
    log.write_bytes(b"1\n")
    took = []
    for _ in range(5):
        reader = follow(log)
        reader.expect("1")
        time.sleep(0.02)  # somewhere within a pause
        begin = time.monotonic()
        reader.close()
        took.append(time.monotonic() - begin)
    assert statistics.median(took) < 0.1  # the machine may hold up some


@pytest.mark.parametrize("blocked", [False, True])
def test_no_file_is_open_after_close(log, follow, blocked):
    log.write_bytes(b"1\n")
    if blocked:
        reader = follow(log)
        reader.expect("1")
        stream = reader.stream
    else:
        stream = LineStream([log], follow=True)
    assert is_open(log)
    stream.close()
    assert not is_open(log)


def test_a_closed_stream_tells_nothing_more(log):
    log.write_bytes(b"1\n2\n")
    stream = LineStream([log])
    assert next(stream) == "1"
    stream.close()
    stream.close()
    assert list(stream) == []


def test_a_stream_that_ended_holds_no_file_open(log):
    log.write_bytes(b"1\n")
    stream = LineStream([log])
    assert list(stream) == ["1"]
    assert not is_open(log)
    assert list(stream) == []


def test_a_signal_handler_may_close_a_stream_in_the_midst_of_next(log):
    stream = LineStream([log], follow=True)
    previous = signal.signal(signal.SIGALRM, lambda *_: stream.close())
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    begin = time.monotonic()
    try:
        assert list(stream) == []
        assert time.monotonic() - begin < 20, "it did not wait for itself"
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_bad_arguments_are_refused_at_the_call(log, tmp_path):
    with pytest.raises(ValueError, match="-1"):
        LineStream([log], lines=-1)
    log.write_bytes(b"1\n")
    with pytest.raises(StateError, match="directory"):
        LineStream([log, tmp_path])
    assert not is_open(log)


def is_open(path: Path) -> bool:
    fds = Path("/dev/fd").iterdir()
    return any(os.path.samestat(fd.stat(), path.stat()) for fd in fds if fd.exists())
