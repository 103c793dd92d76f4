"""Holding another workload of this machine awake, by its proxy runner's ``/awake``."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from workloads._core.unix_sockets import short_address
from workloads.proxyrunner.control.awake import AWAKE_PATH
from workloads.proxyrunner.threads import taken_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("HeldOpen", "RefusedHoldError", "connect", "hold_open", "hold_target")

_CONNECT_TIMEOUT = 5.0
_OK = 200


class RefusedHoldError(Exception):
    """A workload is not kept awake; the message says why."""


class HeldOpen:
    """A workload that is kept awake until this is closed, or its proxy runner ends.

    Args:
        reader: What the proxy runner sends.
        writer: The connection to it.
        lost: Called when it ends before this is closed.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: Callable[[], object]) -> None:
        """Hold."""
        self._writer = writer
        self._watch = asyncio.create_task(self._until_ended(reader, lost), name="workloads-holds-another")

    def close(self) -> None:
        """Let it sleep. Idempotent."""
        self._watch.cancel()
        self._writer.close()

    async def _until_ended(self, reader: asyncio.StreamReader, lost: Callable[[], object]) -> None:
        try:
            while await reader.read(1024):
                pass
        except OSError:
            pass
        self._writer.close()
        lost()


def connect(path: Path) -> socket.socket:
    """A connection to the operator's socket of a proxy runner. Blocks.

    Raises:
        OSError: Nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_CONNECT_TIMEOUT)
        with short_address(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def hold_target(owner: str, reason: str) -> str:
    """The target of the request that keeps a workload awake."""
    return f"{AWAKE_PATH}?{urlencode({'owner': owner, 'reason': reason})}"


async def hold_open(path: Path, *, owner: str, reason: str, lost: Callable[[], object]) -> HeldOpen:
    """Wake a workload, and keep it awake.

    Args:
        path: The operator's socket of its proxy runner.
        owner: Who holds.
        reason: What for.
        lost: Called when its proxy runner ends meanwhile.

    Returns:
        The hold, once the workload is ready.

    Raises:
        RefusedHoldError: It could not be woken, and why.
        OSError: Nobody listens there, or whoever did has gone.
    """
    connection = await taken_in_thread(partial(connect, path), lambda taken: taken.close())
    connection.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    try:
        writer.write(f"POST {hold_target(owner, reason)} HTTP/1.1\r\nHost: control\r\n\r\n".encode())
        await _accepted(reader)
    except BaseException:
        writer.close()
        raise
    return HeldOpen(reader, writer, lost)


async def _accepted(reader: asyncio.StreamReader) -> None:
    """Read the head of the answer, and more of one that refuses."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the proxy runner has gone") from error
    if int(head.split(b" ", 2)[1]) != _OK:
        raise RefusedHoldError(await _detail(reader, head))


async def _detail(reader: asyncio.StreamReader, head: bytes) -> str:
    """What the body of an answer that refuses says."""
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
    try:
        document: dict[str, str] = json.loads(await reader.readexactly(length))
        return document["detail"]
    except (asyncio.IncompleteReadError, ValueError, KeyError):
        return "its proxy runner refuses"
