"""A program, not a module: runs a module as a program that is detached from whoever called.

``python -P detach.py DESCRIPTOR MODULE [ARGUMENT...]``. The caller starts it with the descriptors, folder, umask and
environment that the module shall have, in a session of its own, and waits for it: it ends at once, and the module goes
on as a child of init, without a terminal, with every signal as an interpreter has it by default and none blocked. So a
library can leave a process behind without leaving a zombie, and without forking a process that has threads. The first
line on ``DESCRIPTOR``, which the module inherits, is its process id.

What goes on is a fork of an interpreter that has just started, which costs less than to start a second one. Where
something that interpreters load at their start has begun threads, of which a fork has none, a second one is started.
"""

import os
import runpy
import signal
import sys

_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""The signals that every interpreter ignores."""


def main(argv: list[str]) -> None:
    """Fork, let the parent end, and become the module's program."""
    alone = _is_alone()
    # A process that does not lead its session can never get a controlling terminal.
    if os.fork():
        os._exit(0)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    report, module, *arguments = argv
    os.write(int(report), b"%d\n" % os.getpid())
    if not alone:
        os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606  # composed by the library
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _is_alone() -> bool:
    """Whether this is the only thread, those that are no Python threads included, as far as the system tells."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  # pathlib takes longer to load than all this
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
