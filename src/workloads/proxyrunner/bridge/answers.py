"""Giving a client what comes for its request: as JSON when the answer is all there is, else as a stream of events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from workloads.proxyrunner import sse
from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.jsonrpc import INTERNAL_ERROR, Message, encode
from workloads.proxyrunner.link import ServerGoneError
from workloads.proxyrunner.replies import error_body, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from workloads.proxyrunner.asgi import Send
    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.request import Accepts

__all__ = ("KEEP_ALIVE", "Answer", "ok")

T = TypeVar("T")

KEEP_ALIVE = 15.0
"""Seconds of silence after which a stream says that it lives, and after which an answer becomes a stream."""


def ok(message: Message) -> int:
    """The HTTP status of a legacy answer: errors of the protocol are told in it."""
    del message
    return 200


def _as_it_is(message: Message) -> Message:
    return message


class Answer:
    """The answer to one request.

    Nothing is sent before there is something to say, for at most :data:`KEEP_ALIVE` seconds. If the first thing is the
    response, it is sent as plain JSON with the status that fits it, unless the client would rather have a stream;
    after a notification, or silence, it is a stream.

    Args:
        call: The request.
        send: The ASGI callable.
        accepts: What the client can read.
        status_of: The HTTP status for a response.
        headers: More headers.
        translate: Makes of a response what the client gets.
    """

    def __init__(
        self,
        call: Call,
        send: Send,
        accepts: Accepts,
        *,
        status_of: Callable[[Message], int] = ok,
        headers: Sequence[tuple[bytes, bytes]] = (),
        translate: Callable[[Message], Message] = _as_it_is,
    ) -> None:
        """Prepare to answer."""
        self._call = call
        self._send = send
        self._accepts = accepts
        self._status_of = status_of
        self._headers = headers
        self._translate = translate
        self._streaming = False

    @property
    def streaming(self) -> bool:
        """Whether a stream has begun, so that whatever follows must be an event."""
        return self._streaming

    async def begin(self) -> bool:
        """Wait for the first thing to say, for at most :data:`KEEP_ALIVE` seconds, and say it.

        Returns:
            Whether a stream has begun, which :meth:`deliver` goes on with; else the answer is complete.

        Raises:
            ServerGoneError: The server ended before anything was sent.
        """
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                message = await self._call.next()
        except TimeoutError:
            await self.begin_stream()
            return True
        if message is None:
            await self.respond(self._response)
            return False
        await self.tell(message)
        return True

    async def deliver(self) -> None:
        """Send everything that comes, until the response.

        Raises:
            ServerGoneError: The server ended before anything was sent.
        """
        try:
            response = await self.relay()
        except ServerGoneError as error:
            if not self._streaming:
                raise
            await self.end_with_error(str(error))
        else:
            await self.respond(response)

    async def relay(self) -> Message:
        """Send everything that comes before the response.

        Returns:
            The response, which is not sent.

        Raises:
            ServerGoneError: The server ended before it responded.
        """
        while (message := await self._patiently(self._call.next)) is not None:
            if self._accepts.stream:
                await self.tell(message)
        return self._response

    def follow(self, call: Call) -> None:
        """The answer goes on with what comes for another request."""
        self._call = call

    async def wait(self, future: asyncio.Future[T]) -> T:
        """Wait for something, and tell the client meanwhile that the stream lives."""

        async def result() -> T:
            return await asyncio.shield(future)

        return await self._patiently(result)

    async def tell(self, message: Message) -> None:
        """Send a message on the stream, which begins if it has not begun."""
        await self._event(encode(message))

    async def begin_stream(self) -> None:
        """Begin the stream, if it has not begun."""
        if not self._streaming:
            self._streaming = True
            headers = [*sse.HEADERS, *self._headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def end_with_error(self, message: str) -> None:
        """End the stream with an error in the place of the response; a subscription just ends."""
        if not self._call.endless:
            await self._event(error_body(self._call.request_id, INTERNAL_ERROR, message))
        await self._end()

    async def respond(self, response: Message) -> None:
        """Send the response, which completes the answer."""
        response = self._translate(response)
        status = self._status_of(response)
        preferred = self._accepts.stream_first and status == 200
        if self._streaming or preferred or not self._accepts.json:
            await self._event(encode(response))
            await self._end()
        else:
            await respond(self._send, json_reply(status, encode(response), *self._headers))

    @property
    def _response(self) -> Message:
        response = self._call.response
        assert response is not None
        return response

    async def _patiently(self, get: Callable[[], Coroutine[object, object, T]]) -> T:
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE if self._accepts.stream else None):
                    return await get()
            except TimeoutError:
                await self.begin_stream()
                await self._write(sse.KEEP_ALIVE)

    async def _event(self, data: bytes) -> None:
        await self.begin_stream()
        await self._write(sse.event(data))

    async def _write(self, part: bytes) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})
