"""The client side of the proxy: one thin layer over aiohttp that sends what it is given and adds nothing.

aiohttp was chosen by measurement: of the ready HTTP clients for asyncio it is by far the leanest with many connections.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.proxyrunner.address import ReplicaAddress

__all__ = ("BadAnswerError", "ConnectFailedError", "ResetError", "StreamCutError", "Upstream")

CONNECT_TIMEOUT = 5.0
# Servers commonly close a connection that was idle for five seconds. To send on it just then loses the request.
_KEEP_ALIVE = 4.0
_MAX_FIELD = 2**17
_MAX_HEADERS = 1000
_LARGE = 2**20
_LAST_STATUS = 599


class ConnectFailedError(Exception):
    """No connection could be made, so nothing was sent."""


class ResetError(Exception):
    """The connection ended before an answer began; the request may have been carried out."""


class BadAnswerError(Exception):
    """What came back is no HTTP, or the request cannot be expressed in it."""


class StreamCutError(Exception):
    """The answer ended in the middle."""


class Upstream:
    """A pool of connections to servers. It belongs to the loop on which it was made."""

    def __init__(self) -> None:
        """Prepare; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
            trust_env=False,
            max_line_size=_MAX_FIELD,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_HEADERS,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self,
        address: ReplicaAddress,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> aiohttp.ClientResponse:
        """Send a request and wait for the head of the answer.

        Args:
            address: Where to.
            method: The HTTP method.
            target: Path and query, encoded as they shall go out.
            headers: The headers, as they shall go out.
            body: The body.

        Returns:
            The response, whose body is still to be read with :meth:`read` or given up with ``close()``.

        Raises:
            ConnectFailedError: No connection.
            ResetError: The connection ended first.
            BadAnswerError: The answer is no HTTP, or the headers are no text.
        """
        try:
            response = await self._session.request(
                method,
                URL(f"http://{address.authority}{target}", encoded=True),
                headers=[(name.decode("ascii"), value.decode()) for name, value in headers],
                # The client warns of large bodies in one piece, which it would write in one piece.
                data=(body if len(body) < _LARGE else io.BytesIO(body)) if body else None,
                allow_redirects=False,
            )
            if response.status > _LAST_STATUS:
                response.close()
                raise BadAnswerError(f"status {response.status}")
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise ConnectFailedError(str(error)) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise ResetError(str(error) or type(error).__name__) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise BadAnswerError(str(error)) from error
        return response

    @staticmethod
    async def read(response: aiohttp.ClientResponse) -> bytes:
        """The next part of the body as soon as there is one; empty at its end.

        Raises:
            StreamCutError: The answer ended in the middle.
        """
        try:
            return await response.content.readany()
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise StreamCutError(str(error) or type(error).__name__) from error
