"""The end of a server's log."""

from __future__ import annotations

from workloads._core.logtail import last_lines


def test_the_last_twenty_lines_are_shown(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    lines = last_lines(log)
    assert len(lines) == 20
    assert lines[-1] == "line 99999"


def test_secrets_are_not_shown_the_longer_of_two_first(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"using s3cret-and-more and s3cret \xff\n")
    assert last_lines(log, ["s3cret", "s3cret-and-more", ""]) == ("using *** and *** \ufffd",)


def test_a_missing_log_has_no_lines(tmp_path):
    assert last_lines(tmp_path / "log") == ()


def test_a_line_without_end_is_cut(tmp_path):
    log = tmp_path / "log"
    log.write_text("x" * 10**6)
    (line,) = last_lines(log)
    assert len(line) == 1000
