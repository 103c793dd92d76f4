"""What goes on, shown where no terminal is."""

from workloads.cli import terminal


def test_off_a_terminal_each_message_is_a_line_and_the_same_one_is_not_told_twice(capsys):
    with terminal.progress("a: starting") as progress:
        for text in ("a: starting", "a: running", "a: running", "a: starting"):
            progress.tell(text)
        progress.result("done")
    out, err = capsys.readouterr()
    assert (out, err) == ("done\n", "a: starting\na: running\na: starting\n")
