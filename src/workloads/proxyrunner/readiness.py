"""Is the server ready? Asked in its own protocol: a port that accepts connections, or a page, proves nothing."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from workloads.proxyrunner.jsonrpc import Kind, encode, kind_of, members, read
from workloads.proxyrunner.protocol import LEGACY, MODERN, discover_params, initialize_params
from workloads.proxyrunner.sse import EventReader
from workloads.proxyrunner.upstream import BadAnswerError, ConnectFailedError, ResetError, StreamCutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from workloads.proxyrunner.address import ReplicaAddress
    from workloads.proxyrunner.upstream import Answer, Upstream

__all__ = ("NotReadyError", "SseProbe", "StreamableProbe", "wait_ready")

_PROBE_TIMEOUT = 10.0
_FIRST_PAUSE, _REFUSED_PAUSE, _LAST_PAUSE = 0.01, 0.025, 1.0
_MAX_ANSWER = 2**20
_ID = "workloads-ready"
_BOTH = b"application/json, text/event-stream"
# The codes by which a server says that it knows the modern protocol, but not like this.
_MODERN_CODES = range(-32029, -32019)
_REDIRECTS = (307, 308)


class NotReadyError(Exception):
    """The server is not ready.

    Attributes:
        answer: What it said instead.
        refused: Whether nobody listened.
    """

    def __init__(self, answer: str, *, refused: bool = False) -> None:
        self.answer = answer
        self.refused = refused
        super().__init__(answer)


async def wait_ready(probe: Callable[[], Awaitable[None]], told: Callable[[str], None]) -> float:
    """Ask until the server is ready.

    Args:
        probe: Asks once; raises :class:`NotReadyError`.
        told: Takes note of each answer that is not the right one.

    Returns:
        Seconds which the last, good answer took.
    """
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        begun = loop.time()
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await probe()
        except NotReadyError as error:
            told(error.answer)
            # While nobody listens, asking costs nothing; a server that answers shall not be kept busy by us.
            pause = min(2 * pause, _REFUSED_PAUSE if error.refused else _LAST_PAUSE)
        except TimeoutError:
            told(f"no answer within {_PROBE_TIMEOUT:g} s")
        else:
            return loop.time() - begun
        await asyncio.sleep(pause)


class _Answer(NamedTuple):
    status: int
    message: dict[str, Any] | None
    session: bytes | None
    location: str

    def text(self, request: str) -> str:
        """The answer in words, for an error."""
        known = {status.value: status.phrase for status in HTTPStatus}
        phrase = known.get(self.status, "")
        error = members(members(self.message).get("error"))
        said = f", error {error.get('code')}: {error.get('message')}" if error else ""
        return f"{request}: {self.status} {phrase}".rstrip() + said


class _Prober(ABC):
    """Sends the requests of a probe, to each path at which the endpoint may be until it is known.

    Args:
        upstream: Connections to the server.
        address: Where it listens.
        path: The path of its endpoint. Default: ``""``, which must be found out.
        strangers: Whether it is ready, too, when it wants to know who asks (401): its clients may say. Default: False.
    """

    _usual: tuple[str, ...] = ()

    def __init__(self, upstream: Upstream, address: ReplicaAddress, *, path: str = "", strangers: bool = False) -> None:
        """Prepare to ask."""
        self._upstream = upstream
        self._address = address
        self._strangers = strangers
        self._paths = (path,) if path else self._usual

    async def __call__(self) -> None:
        """Ask once.

        Raises:
            NotReadyError: It is not ready.
        """
        answers: list[str] = []
        for path in self._paths:
            answer = await self._ask(path)
            if answer is None:
                self._paths = (path,)
                return
            answers.append(answer)
        raise NotReadyError("; ".join(answers))

    @abstractmethod
    async def _ask(self, path: str) -> str | None:
        """Ask at one path. Returns what it said when that does not prove it ready."""

    async def _open(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Answer:
        try:
            return await self._upstream.send(self._address, method, path.encode(), headers, body)
        except ConnectFailedError as error:
            raise NotReadyError(str(error), refused=True) from error
        except (ResetError, BadAnswerError) as error:
            raise NotReadyError(f"{method} {path}: {error}") from error

    async def _parts(self, response: Answer) -> AsyncIterator[bytes]:
        size = 0
        while part := await response.read():
            size += len(part)
            if size > _MAX_ANSWER:
                raise NotReadyError("the answer is too long")
            yield part


class StreamableProbe(_Prober):
    """Asks a streamable HTTP server: ``server/discover`` first, which leaves nothing behind, else ``initialize``."""

    _usual = ("/mcp", "/")

    async def _ask(self, path: str, *, follow: bool = True) -> str | None:
        answer = await self._post(path, "server/discover", discover_params(), modern=True)
        if follow and answer.status in _REDIRECTS and (target := urlsplit(answer.location).path):
            return await self._ask(target, follow=False)
        if answer.status == 401 and self._strangers:
            return None
        if answer.status in (401, 403) or answer.status >= 500:
            return answer.text(f"POST {path}")
        message = members(answer.message)
        if answer.status == 200 and "supportedVersions" in members(message.get("result")):
            return None
        if members(message.get("error")).get("code") in _MODERN_CODES:
            return None
        answer = await self._post(path, "initialize", initialize_params(), modern=False)
        if answer.status != 200 or "protocolVersion" not in members(members(answer.message).get("result")):
            return answer.text(f"POST {path}")
        if answer.session is not None:
            await self._end_session(path, answer.session)
        return None

    async def _post(self, path: str, method: str, params: dict[str, Any], *, modern: bool) -> _Answer:
        headers = [(b"accept", _BOTH), (b"content-type", b"application/json")]
        if modern:
            headers += [(b"mcp-protocol-version", MODERN.encode()), (b"mcp-method", method.encode())]
        body = encode({"jsonrpc": "2.0", "id": _ID, "method": method, "params": params})
        response = await self._open("POST", path, headers, body)
        try:
            message = await self._message(response)
        except (StreamCutError, ValueError):
            message = None
        finally:
            response.close()
        location = (response.header(b"location") or b"").decode("latin-1")
        return _Answer(response.status, message, response.header(b"mcp-session-id"), location)

    async def _message(self, response: Answer) -> dict[str, Any] | None:
        """The JSON-RPC response in an HTTP response, if there is one."""
        if response.content_type == "text/event-stream":
            reader = EventReader()
            async for part in self._parts(response):
                for event in reader.feed(part):
                    if (message := _response(event.data)) is not None:
                        return message
            return None
        return _response(b"".join([part async for part in self._parts(response)]))

    async def _end_session(self, path: str, session: bytes) -> None:
        headers = [(b"mcp-session-id", session), (b"mcp-protocol-version", LEGACY[0].encode())]
        try:
            (await self._open("DELETE", path, headers)).close()
        except NotReadyError:  # then the session ends with the server, or by itself
            return


class SseProbe(_Prober):
    """Asks a server of the old HTTP with SSE: opens a stream and waits for the event that names its endpoint."""

    _usual = ("/sse", "/")

    async def _ask(self, path: str) -> str | None:
        response = await self._open("GET", path, [(b"accept", b"text/event-stream")])
        try:
            if response.status == 401 and self._strangers:
                return None
            if response.status != 200 or response.content_type != "text/event-stream":
                return _Answer(response.status, None, None, "").text(f"GET {path}")
            reader = EventReader()
            async for part in self._parts(response):
                if any(event.type == "endpoint" for event in reader.feed(part)):
                    return None
        except (StreamCutError, ValueError) as error:
            return f"GET {path}: {error}"
        finally:
            response.close()
        return f"GET {path}: the stream ended without an endpoint"


def _response(data: str | bytes) -> dict[str, Any] | None:
    """The JSON-RPC response in a text, if it is one."""
    try:
        message = members(read(data))
    except ValueError:
        return None
    return message if kind_of(message) is Kind.RESPONSE else None
