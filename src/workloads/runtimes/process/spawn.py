"""Starting a server through its shim."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core.process import identify
from workloads.errors import CommandNotFoundError, WorkloadFailedError
from workloads.runtimes.process import shim

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from workloads._core.process import ProcessIdentity
    from workloads.errors import WorkloadsError

__all__ = ("Spawned", "receive", "spawn")

# What an interpreter outside the standard places needs to find its own library.
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


@attrs.frozen
class Spawned:
    """A server that has just been started. Whoever has it closes what it holds.

    Attributes:
        shim: The process that attends to it, our child.
        channel: Our end of the channel to the shim.
        server: The server's process id; it leads its process group.
        identity: The same for the record on disk; None when it ended at once.
        log: The reading end of what it writes.
        stdin: The writing end of a stdio server's input.
        stdout: The reading end of a stdio server's output.
    """

    shim: subprocess.Popen[bytes]
    channel: socket.socket
    server: int
    identity: ProcessIdentity | None
    log: int
    stdin: BinaryIO | None
    stdout: BinaryIO | None


def spawn(
    name: str, argv: Sequence[str], environ: Mapping[str, str], folder: Path, *, stdio: bool, python: str
) -> Spawned:
    """Start a server, and return once its program runs.

    Args:
        name: The workload, for errors and for people who list processes.
        argv: The program as an absolute path, and its arguments.
        environ: The server's whole environment.
        folder: Its working folder, which exists.
        stdio: Whether its input and output are for us; else its output goes to the log and it has no input.
        python: The interpreter of the shim.

    Raises:
        CommandNotFoundError: The program does not exist.
        WorkloadFailedError: The program, or the shim, could not be started.
        StateError: This system does not tell about processes.
    """
    import socket
    import subprocess

    try:
        request = shim.encode(list(argv), dict(environ))
    except ValueError as error:
        raise WorkloadFailedError(name, f"cannot start {argv[0]!r}: {error}") from None
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        channel, far_end = socket.socketpair()
        ours.enter_context(channel)
        theirs.enter_context(far_end)
        # Whatever this program has as its default timeout.
        for end in (channel, far_end):
            end.settimeout(None)
        log, log_write = os.pipe()
        ours.callback(os.close, log)
        theirs.callback(os.close, log_write)
        stdin, stdout = subprocess.DEVNULL, log_write
        to_server = from_server = None
        if stdio:
            stdin, write = os.pipe()
            theirs.callback(os.close, stdin)
            to_server = ours.enter_context(os.fdopen(write, "wb", buffering=0))
            read, stdout = os.pipe()
            theirs.callback(os.close, stdout)
            from_server = ours.enter_context(os.fdopen(read, "rb", buffering=0))
        try:
            process = subprocess.Popen(
                [python, "-I", "-S", shim.__file__, str(far_end.fileno()), name],
                stdin=stdin,
                stdout=stdout,
                stderr=log_write,
                cwd=folder,
                env={name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ},
                pass_fds=[far_end.fileno()],
                process_group=0,  # not a session: by that one tells whose it was, should we be killed
            )
        except OSError as error:
            raise WorkloadFailedError(name, f"cannot start {python!r}: {error.strerror}") from error
        theirs.close()
        try:
            server = _request(name, argv[0], channel, request, log)
            identity = identify(server)
        except BaseException:
            channel.close()  # at which the shim ends
            process.wait()
            raise
        ours.pop_all()
        return Spawned(process, channel, server, identity, log, to_server, from_server)


def receive(channel: socket.socket) -> tuple[bytes, int] | None:
    """The next message of a shim: its word and its number; None when the shim has ended."""
    message = b""
    while not message.endswith(b"\n"):
        # One by one, so that nothing of a later message is taken: they are few and short.
        byte = channel.recv(1)
        if not byte:
            return None
        message += byte
    word, number = message.split()
    return word, int(number)


def _request(name: str, program: str, channel: socket.socket, request: bytes, log: int) -> int:
    """Have the server started.

    Returns:
        Its process id.
    """
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.sendall(request)
    match _answer(channel):
        case shim.STARTED, server:
            return server
        case shim.FAILED, number:
            raise _failure(name, program, number)
        case _:
            os.set_blocking(log, False)
            try:
                said = os.read(log, 65536)
            except BlockingIOError:
                said = b""
            lines = said.decode(errors="replace").splitlines()[-20:]
            raise WorkloadFailedError(name, "the process that should have started its server ended", logs=lines)


def _answer(channel: socket.socket) -> tuple[bytes, int] | None:
    try:
        return receive(channel)
    except ConnectionResetError:  # it ended without having read the whole request
        return None


def _failure(name: str, program: str, number: int) -> WorkloadsError:
    if number == errno.ENOENT and not Path(program).exists():
        return CommandNotFoundError(program, "it does not exist; install it or correct the run config's command")
    reason = os.strerror(number)
    if number == errno.ENOENT:
        reason += ": it is there, but the interpreter that it names is not"
    elif number == errno.ENOEXEC:
        reason += ": a script needs a first line that names its interpreter, such as #!/bin/sh"
    return WorkloadFailedError(name, f"cannot start {program!r}: {reason}")
