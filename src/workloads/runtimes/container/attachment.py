"""The connection to the input and outputs of a container, as pipes and a log file."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.runtimes.container.faults import faults
from workloads.runtimes.container.frames import STDERR, STDOUT, Frame, FrameReader
from workloads.runtimes.container.kept_output import KeptOutput
from workloads.runtimes.ping import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.process.log import RotatingLog

__all__ = ("Attachment", "attach", "connected")

_DOING = "cannot attach to its container"
_REQUEST = (
    b"POST /containers/%s/attach?stream=1&stdin=%d&stdout=1&stderr=1 HTTP/1.1\r\n"
    b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
)
_UPGRADED = (101, 200)
_TIMEOUT = 60.0
_CHUNK = 64 * 1024
_LAST_WORDS = 2.0
_RETRY = 0.5
_UNSETTLED = "container state improper"
_SETTLING = 10.0
_PAUSE = 0.05
_SURELY_KEPT = 5 * 2**20
"""Bytes of output that no engine has thrown away yet: it keeps 10 MB or more of each container."""


def attach(engine: Engine, container: str, log: RotatingLog, *, workload: str, stdio: bool) -> Attachment:
    """Attach to a container that has not been started yet, so that nothing of its output is missed.

    Args:
        engine: Where the container is.
        container: Its id.
        log: Where its output goes, or only its standard error if it is a stdio server; closed with the attachment.
        workload: Whose server it is.
        stdio: Whether its input and output are for us.

    Raises:
        WorkloadFailedError: The engine refuses.
        RuntimeUnavailableError: The engine does not answer.
    """
    connection = connected(engine, container, workload=workload, stdin=stdio)
    connection.settimeout(None)

    def kept(*, since: float, follow: bool) -> KeptOutput:
        return KeptOutput(engine, container, since=since, follow=follow)

    return Attachment(connection, log, stdio=stdio, label=workload, kept=kept)


def connected(engine: Engine, container: str, *, workload: str, stdin: bool = False) -> socket.socket:
    """A connection to the outputs of a container that has not been started yet, with a time limit.

    The SDK does not say how to close the connection that it gives for this, so it is made here.

    Args:
        engine: Where the container is.
        container: Its id.
        workload: Whose server it is.
        stdin: Whether its input is connected too.

    Raises:
        WorkloadFailedError: The engine refuses.
        RuntimeUnavailableError: The engine does not answer.
    """
    deadline = time.monotonic() + _SETTLING
    while True:
        with faults(engine.name, engine.url, _DOING):
            connection = connect(engine.url, _TIMEOUT)
        try:
            with faults(engine.name, engine.url, _DOING):
                refusal = _refusal(connection, container, stdin=stdin)
        except BaseException:
            connection.close()
            raise
        if not refusal:
            return connection
        connection.close()
        # Podman is not done yet with one that ended by itself a moment ago.
        if _UNSETTLED not in refusal or time.monotonic() > deadline:
            raise WorkloadFailedError(workload, f"{_DOING}: {refusal}")
        time.sleep(_PAUSE)


def _refusal(connection: socket.socket, container: str, *, stdin: bool) -> str:
    """Turn a connection to an engine into one to a container. Returns why the engine refused; empty if it did not."""
    connection.sendall(_REQUEST % (container.encode(), stdin))
    # Before the container is started nothing comes after the head, so nothing of its output is read with it.
    with closing(HTTPResponse(connection, method="POST")) as answer:
        try:
            answer.begin()
            if answer.status in _UPGRADED:
                return ""
            return " ".join(str(json.loads(answer.read())["message"]).split())
        except (HTTPException, ValueError, KeyError, TypeError) as error:
            return f"the engine gave no proper answer ({type(error).__name__})"


class Attachment:
    """Copies between a container and pipes, by a daemon thread for each direction, until either side closes.

    The output of a server that is not a stdio server outlives the connection: when that ends before the container
    does, as when the engine is started anew, the rest is what the engine has kept meanwhile.
    """

    def __init__(
        self,
        connection: socket.socket,
        log: RotatingLog,
        *,
        stdio: bool,
        label: str,
        kept: Callable[..., KeptOutput],
    ) -> None:
        """Begin to copy.

        Args:
            connection: The engine's end of it all; closed with the attachment.
            log: Where output goes that is not for us; closed with the attachment.
            stdio: Whether input and output are for us.
            label: What to call the threads.
            kept: Gives what the engine keeps of the output; takes the arguments ``since`` and ``follow``.
        """
        self._connection = connection
        self._log = log
        self._output = -1
        self._resumes = not stdio
        self._kept = kept
        self._again: KeptOutput | None = None
        self._over = threading.Event()
        self._begun_at = self._last_at = time.time()
        self._copied = {STDOUT: 0, STDERR: 0}
        self.stdin: BinaryIO | None = None
        """The writing end of the server's input, for a stdio server. Whoever uses it closes it."""
        self.stdout: BinaryIO | None = None
        """The reading end of its output, likewise."""
        if stdio:
            source, write = os.pipe()
            self.stdin = os.fdopen(write, "wb", buffering=0)
            read, self._output = os.pipe()
            self.stdout = os.fdopen(read, "rb", buffering=0)
            name = f"workloads-input-{label}"
            threading.Thread(target=self._copy_input, args=(source,), name=name, daemon=True).start()
        self._output_copied = threading.Thread(target=self._copy_output, name=f"workloads-output-{label}", daemon=True)
        self._output_copied.start()

    def close(self) -> None:
        """Copy what is left of the output and let go, without waiting for who does not read it. Idempotent."""
        self._over.set()
        self._output_copied.join(_LAST_WORDS)
        with contextlib.suppress(OSError):  # it is closed already, by this side or the other
            self._connection.shutdown(socket.SHUT_RDWR)
        if (again := self._again) is not None:
            again.interrupt()
        self._output_copied.join(_LAST_WORDS)

    def abandon(self) -> None:
        """Let go of a container that was not started, pipes included."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                pipe.close()
        self._output_copied.join()

    def _copy_output(self) -> None:
        reader = FrameReader()
        try:
            while data := self._received():
                for frame in reader.feed(data):
                    if self._output >= 0 and frame.stream == STDOUT:
                        self._pass_on(frame.data)
                    else:
                        self._write(frame)
            if self._resumes:
                self._resume()
        finally:
            self._close_output()
            self._log.close()
            self._connection.close()

    def _write(self, frame: Frame) -> None:
        self._log.write(frame.data)
        self._copied[frame.stream] += len(frame.data)
        self._last_at = time.time()

    def _resume(self) -> None:
        """Go on with what the engine keeps, until the container has ended: the connection may have been lost before."""
        lost = False
        while not self._over.wait(_RETRY):
            lost = True
            self._copy_again(follow=True)
        if lost:
            self._copy_again(follow=False)

    def _copy_again(self, *, follow: bool) -> None:
        """Copy what the engine keeps, but for what is copied already; nothing when the engine is away."""
        # Times are not exact enough to tell which line was the last, but the first line is known.
        whole = sum(self._copied.values()) <= _SURELY_KEPT
        known = dict(self._copied) if whole else dict.fromkeys(self._copied, 0)
        try:
            again = self._kept(since=self._begun_at if whole else self._last_at, follow=follow)
        except WorkloadsError:
            return
        self._again = again
        try:
            for frame in again.pieces():
                fresh = frame.data[known[frame.stream] :]
                known[frame.stream] -= len(frame.data) - len(fresh)
                if fresh:
                    self._write(Frame(frame.stream, fresh))
        finally:
            self._again = None
            again.close()

    def _received(self) -> bytes:
        try:
            return self._connection.recv(_CHUNK)
        except OSError:
            return b""

    def _pass_on(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._output, view) :]
        except BrokenPipeError:  # nobody reads it any more, but the server shall not be held up
            self._close_output()

    def _close_output(self) -> None:
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    def _copy_input(self, source: int) -> None:
        with contextlib.suppress(OSError):  # the server reads no more
            try:
                while data := os.read(source, _CHUNK):
                    self._connection.sendall(data)
                self._connection.shutdown(socket.SHUT_WR)
            finally:
                os.close(source)
