"""A program, not only a module: starts a server, and sees to it that nothing of it outlives whoever wanted it.

``python -I -S shim.py CHANNEL TITLE``. CHANNEL is the number of a descriptor: one end of a socket pair, of which the
other end is held by one process only, the runner. TITLE is for people who list processes.

* The runner sends one request (:func:`encode`): argument vector and environment of the server. So neither is ever seen
  in the arguments or the environment of another process.
* The shim answers ``started PID`` or ``failed ERRNO``, and at the end ``ended WAITSTATUS``. The server inherits
  standard input, output and error, the working folder, and nothing else.
* Afterwards each byte from the runner is a signal for the server's process group. When the channel closes, by
  whatever end of the runner, the server is killed.

The server leads a session and a process group of its own, so signals meant for it never hit the shim. Whatever is left
when it has ended is killed before ``ended`` is said: its group, and on Linux every other descendant too, since the shim
is their subreaper. Should the shim itself be killed, Linux kills the server (``PR_SET_PDEATHSIG``; the shim has a
single thread, so the parent's death is the death of the process).

It imports little, to start in about ten milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

__all__ = ("ENDED", "FAILED", "STARTED", "encode")

STARTED, FAILED, ENDED = b"started", b"failed", b"ended"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SWEEP_TIMEOUT = 5.0


def encode(argv: list[str], environ: dict[str, str]) -> bytes:
    """The request to start a server.

    Args:
        argv: Its program, as an absolute path, and its arguments.
        environ: Its whole environment.

    Raises:
        ValueError: Something holds a NUL character, or a variable's name is not one.
    """
    for name in environ:
        if not name or "=" in name:
            raise ValueError(f"{name!r} cannot be the name of an environment variable")
    fields = [*argv, *(f"{name}={value}" for name, value in environ.items())]
    if any("\0" in field for field in fields):
        raise ValueError("an argument or an environment variable holds a NUL character")
    body = b"\0".join([b"%d" % len(argv), *map(os.fsencode, fields)])
    return b"%d\n%s" % (len(body), body)


def decode(body: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The argument vector and the environment of a request, without its length."""
    count, *fields = body.split(b"\0")
    pairs = (field.partition(b"=") for field in fields[int(count) :])
    return fields[: int(count)], {name: value for name, _, value in pairs}


def _receive(channel: int) -> bytes:
    """The body of the request; the runner sends nothing more until it is answered."""
    data = _read(channel)
    while b"\n" not in data:
        data += _read(channel)
    length, _, body = data.partition(b"\n")
    chunks, left = [body], int(length) - len(body)
    while left > 0:
        chunks.append(_read(channel))
        left -= len(chunks[-1])
    return b"".join(chunks)


def _read(channel: int) -> bytes:
    data = os.read(channel, 65536)
    if not data:
        sys.exit(0)  # the runner is gone, and nothing was started yet
    return data


def _say(channel: int, word: bytes, number: int) -> None:
    with contextlib.suppress(OSError):  # the runner is gone; what is left to do is done anyway
        os.write(channel, b"%s %d\n" % (word, number))


def _prctl(option: int, value: int) -> None:
    """Ask Linux for a safeguard; without it the channel alone guards the server."""
    if sys.platform == "linux":
        try:
            import ctypes
        except ImportError:  # an interpreter built without it
            return
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3)


def _dispose(disposition: signal.Handlers) -> None:
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, disposition)


def _start(argv: list[bytes], environ: dict[bytes, bytes]) -> tuple[int, int]:
    """Start the server.

    Returns:
        Its process id and 0, or 0 and the error number of what prevented it.
    """
    shim = os.getpid()
    read, write = os.pipe()  # closed by a successful exec
    try:
        server = os.fork()
    except OSError as error:
        return 0, error.errno or 0
    if not server:
        try:
            _dispose(signal.SIG_DFL)
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == shim:  # else it died before its death would have been noticed
                os.execve(argv[0], argv, environ)  # noqa: S606  # argv is a list, no shell
        except OSError as error:
            os.write(write, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)
    os.close(write)
    failure = os.read(read, 16)
    os.close(read)
    if failure:
        os.waitpid(server, 0)
        return 0, int(failure)
    return server, 0


def _signal_group(server: int, number: int) -> None:
    # It may have ended; a group of zombies is a PermissionError on macOS.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server, number)
        if number == signal.SIGTERM:
            os.killpg(server, signal.SIGCONT)  # a suspended process would never learn of it


def _reap(server: int) -> int | None:
    """Reap who has ended.

    Returns:
        The wait status of the server when it has ended, its group killed; else None.
    """
    if not hasattr(os, "waitid"):  # macOS before Python 3.13: no subreaper there, so the server is the only child
        ended, status = os.waitpid(server, os.WNOHANG)
        if ended:
            _signal_group(server, signal.SIGKILL)
        return status if ended else None
    while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found.si_pid == server:
            # It is a zombie until it is reaped, so its number still means its group and no other.
            _signal_group(server, signal.SIGKILL)
            return os.waitpid(server, 0)[1]
        os.waitpid(found.si_pid, 0)
    return None


def _sweep() -> None:
    """Kill and reap every descendant that the server left behind, wherever it moved itself."""
    children = f"/proc/self/task/{os.getpid()}/children"
    deadline = time.monotonic() + _SWEEP_TIMEOUT
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        try:
            with open(children, "rb") as file:  # noqa: PTH123  # pathlib takes longer to import than the rest
                strays = file.read().split()
        except OSError:  # a kernel without this file
            strays = []
        for stray in strays:
            with contextlib.suppress(PermissionError):  # it became another user
                os.kill(int(stray), signal.SIGKILL)
        time.sleep(0.001)


def _attend(channel: int, wake: int, server: int) -> int:
    """Pass on signals until the server has ended; the runner's end ends it.

    Returns:
        Its wait status.
    """
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while (status := _reap(server)) is None:
        for ready, _ in poll.poll():
            try:
                data = os.read(ready, 4096)
            except OSError:  # the runner ended without having read everything
                data = b""
            if ready == wake:
                continue
            if not data:
                poll.unregister(channel)
            for number in data or (signal.SIGKILL,):
                _signal_group(server, number)
    return status


def main() -> None:
    """Start the server that is asked for, and attend to it until it has ended."""
    channel = int(sys.argv[1])
    os.set_inheritable(channel, False)
    os.umask(0o077)
    _dispose(signal.SIG_IGN)
    wake, wake_write = os.pipe()
    for end in wake, wake_write:
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server, failure = _start(*decode(_receive(channel)))
    if not server:
        _say(channel, FAILED, failure)
        return
    # Only the server may hold its pipes, or their other ends would never see it close them.
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    _say(channel, STARTED, server)
    status = _attend(channel, wake, server)
    _sweep()
    _say(channel, ENDED, status)


if __name__ == "__main__":
    main()
