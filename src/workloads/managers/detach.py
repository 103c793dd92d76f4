"""A program, not a module: runs another program detached from whoever called.

``python -I -S detach.py DESCRIPTOR PROGRAM [ARGUMENT...]``. The caller starts it with the descriptors, folder, umask
and environment that the program shall have, and waits for it: it ends at once, and the program goes on as a child of
init, in a session of its own without a terminal, with every signal at its default and none blocked. So a library can
leave a process behind without leaving a zombie, and without running Python code between fork and exec in a process that
has threads. The first line on ``DESCRIPTOR``, which the program inherits, is the program's process id.

It imports nothing but the standard library's core, to start in a few milliseconds.
"""

import os
import signal
import sys


def main(argv: list[str]) -> None:
    """Fork, let the parent end, and become the program."""
    os.setsid()
    # The second fork: a process that does not lead its session can never get a controlling terminal.
    if os.fork():
        os._exit(0)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    report, *program = argv
    os.write(int(report), b"%d\n" % os.getpid())
    os.execv(program[0], program)  # noqa: S606  # argv is a list composed by the library, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
