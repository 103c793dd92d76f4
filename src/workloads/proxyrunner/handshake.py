"""Beginning a session at a replica as its client once began it at another. The request is kept with the session."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.jsonrpc import encode, members, read
from workloads.proxyrunner.protocol import INITIALIZED
from workloads.proxyrunner.sought import UnknownSessionError
from workloads.proxyrunner.sse import EventReader
from workloads.proxyrunner.upstream import BadAnswerError, ConnectFailedError, ResetError, StreamCutError

if TYPE_CHECKING:
    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.sought import Sought
    from workloads.proxyrunner.upstream import Answer, Upstream

__all__ = ("INIT_BODY_KEY", "Handshake", "essence")

INIT_BODY_KEY = "init_body"
"""The key of a session's metadata under which ToolHive, too, keeps the request ``initialize``."""

_log = logging.getLogger(__name__)

_TIMEOUT = 15.0
_MAX_ANSWER = 2**20
_KEPT_PARAMS = ("protocolVersion", "capabilities", "clientInfo")
# What belongs to the one request at hand.
_OWN = frozenset((
    b"accept", b"accept-encoding", b"content-encoding", b"content-length", b"content-type", b"last-event-id",
    b"mcp-method", b"mcp-name", b"mcp-protocol-version", b"mcp-session-id",
))  # fmt: skip


def essence(init_body: bytes) -> str:
    """What is kept of an ``initialize``: enough to repeat it. Whatever else a client put there is nobody's business."""
    message = members(read(init_body))
    params = members(message.get("params"))
    kept = {name: params[name] for name in _KEPT_PARAMS if name in params}
    again = {"jsonrpc": "2.0", "id": message.get("id"), "method": "initialize", "params": kept}
    return encode(again).decode()


class Handshake:
    """Begins sessions at replicas, and ends them. Implements :class:`~workloads.proxyrunner.affinity.Opener`.

    Args:
        upstream: The connections to replicas.
    """

    def __init__(self, upstream: Upstream) -> None:
        """Prepare; nothing is sent yet."""
        self._upstream = upstream

    async def begin(self, address: ReplicaAddress, sought: Sought, init_body: str) -> str | None:
        """Send ``initialize`` and ``notifications/initialized``, as a client would.

        Args:
            address: The replica.
            sought: A request of the client; its path and headers, such as those for authentication, are taken.
            init_body: The client's ``initialize``.

        Returns:
            The name that the replica gives the session; None when it has no sessions.

        Raises:
            UnknownSessionError: The replica refuses.
            UnavailableError: The replica cannot be reached.
        """
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await self._begin(address, sought, init_body.encode())
        except (ConnectFailedError, ResetError, StreamCutError, TimeoutError) as error:
            raise UnavailableError("The server of this session is lost, and no other can be reached") from error
        except (BadAnswerError, ValueError) as error:
            _log.warning("a lost session could not be begun again", extra={"reason": str(error)})
            raise UnknownSessionError from error

    async def end(self, address: ReplicaAddress, sought: Sought, name: str) -> None:
        """Send ``DELETE`` for a session that nobody will use. That it cannot be ended is no error.

        Args:
            address: The replica.
            sought: A request of the client.
            name: The replica's name for the session.
        """
        headers = [*_others(sought), (b"mcp-session-id", name.encode("latin-1"))]
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._upstream.send(address, "DELETE", sought.target, headers)
                answer.close()
        except (ConnectFailedError, ResetError, BadAnswerError, TimeoutError) as error:
            _log.info("a session that nobody uses could not be ended", extra={"reason": str(error)})

    async def _begin(self, address: ReplicaAddress, sought: Sought, init_body: bytes) -> str | None:
        asked = members(read(init_body))
        answer = await self._post(address, sought, init_body)
        try:
            if answer.status != 200:
                raise ValueError(f"initialize was answered with status {answer.status}")
            result = members((await _response(answer)).get("result"))
        finally:
            answer.close()
        version = result.get("protocolVersion")
        if not isinstance(version, str):
            raise ValueError("initialize was not answered with a protocol version")  # noqa: TRY004  # of a message
        if version != members(asked.get("params")).get("protocolVersion", version):
            _log.info("a replica speaks another version of the protocol", extra={"version": version})
        name = answer.header(b"mcp-session-id")
        session = [] if name is None else [(b"mcp-session-id", name)]
        told = await self._post(
            address, sought, encode(INITIALIZED), (b"mcp-protocol-version", version.encode()), *session
        )
        told.close()
        if told.status >= 300:
            raise ValueError(f"notifications/initialized was answered with status {told.status}")
        return None if name is None else name.decode("latin-1")

    async def _post(
        self, address: ReplicaAddress, sought: Sought, body: bytes, *headers: tuple[bytes, bytes]
    ) -> Answer:
        target = sought.target
        return await self._upstream.send(
            address,
            "POST",
            target,
            [
                *_others(sought),
                (b"content-type", b"application/json"),
                (b"accept", b"application/json, text/event-stream"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
            body,
        )


def _others(sought: Sought) -> list[tuple[bytes, bytes]]:
    return [item for item in sought.headers() if item[0] not in _OWN]


async def _response(answer: Answer) -> dict[str, object]:
    """The response in an answer, which is a message or a stream of events.

    Raises:
        ValueError: There is none.
    """
    events = EventReader() if answer.content_type == "text/event-stream" else None
    body = b""
    while part := await answer.read():
        if events is None:
            body += part
            if len(body) > _MAX_ANSWER:
                raise ValueError("the answer to initialize is too long")
            continue
        for event in events.feed(part):
            message = members(read(event.data))
            if "result" in message or "error" in message:
                return message
    return members(read(body))
