"""A TCP port of this machine that leads to a Unix socket, as some engines are reached."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_THREADS = 32


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def forwarding(path: str) -> Iterator[str]:
    """Lead a port to a socket; gives the address of the port, such as ``127.0.0.1:41000``.

    Args:
        path: The socket.
    """
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS, thread_name_prefix="forwarder"))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ends: list[socket.socket] = []

        def serve() -> None:
            while True:
                here = listener.accept()[0]
                ends.append(here)
                if ended.is_set():
                    return
                there = socket.socket(socket.AF_UNIX)
                ends.append(there)
                there.connect(path)
                pool.submit(_pump, here, there)
                pool.submit(_pump, there, here)

        serving = pool.submit(serve)
        try:
            yield "{}:{}".format(*listener.getsockname())
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            serving.result()
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            pool.shutdown()
            for end in ends:
                end.close()
