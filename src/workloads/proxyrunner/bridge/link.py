"""The connection between the bridge and one process: opening it, serving over it, and letting go of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.legacy import LegacyFront
from workloads.proxyrunner.bridge.modern import ModernFront
from workloads.proxyrunner.bridge.opening import Era, open_server
from workloads.proxyrunner.link import RefusedError, TryModernError
from workloads.proxyrunner.server import close_pipes

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.app import ProcessFront
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.jsonrpc import Message
    from workloads.runtimes.protocol import Replica

__all__ = ("StdioConnector", "StdioLink")

_log = logging.getLogger(__name__)


class StdioLink:
    """Talks to one process over its standard input and output.

    Args:
        replica: The process.
        exchanges: Where long-lived streams are entered.
        ttl: Seconds without a request after which a session ends.
        first: The era to try first.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self,
        replica: Replica,
        exchanges: Exchanges,
        *,
        ttl: float,
        first: Era = Era.LEGACY,
        request_timeout: float | None = None,
    ) -> None:
        """Prepare; :meth:`ready` connects."""
        self._replica = replica
        self._exchanges = exchanges
        self._ttl = ttl
        self._first = first
        self._request_timeout = request_timeout
        self._calls = Calls(self._notify)
        self._front: ProcessFront | None = None
        self._connected = False
        self.last_answer = ""
        self.era: Era | None = None
        """The era of the process, once it is known, and of the next process of this server."""

    async def ready(self) -> tuple[ProcessFront, float]:
        """Connect, and wait for the answer to the opening request.

        Returns:
            What serves the process, and the seconds its answer took.

        Raises:
            RefusedError: It speaks neither era.
            TryModernError: It refused the old one and ended.
            ServerGoneError: It ended.
        """
        stdin, stdout = self._replica.stdin, self._replica.stdout
        assert stdin is not None
        assert stdout is not None
        begun = time.monotonic()
        self._connected = True
        await self._calls.pipe.open(stdin, stdout)
        self.last_answer = "no answer to its opening request"
        try:
            opened = await open_server(self._calls, self._first)
        except RefusedError as error:
            self.last_answer = str(error)
            raise
        except TryModernError:
            self.era = Era.MODERN
            raise
        self.era = opened.era
        if opened.era is Era.MODERN:
            self._front = ModernFront(self._calls, self._exchanges, request_timeout=self._request_timeout)
        else:
            self._front = LegacyFront(
                self._calls,
                opened.result,
                self._exchanges,
                ttl=self._ttl,
                clock=time.monotonic,
                request_timeout=self._request_timeout,
            )
        return self._front, time.monotonic() - begun

    async def closed(self) -> None:
        """Wait until the process cannot be talked to any more."""
        await self._calls.pipe.ended.wait()

    def fail(self, reason: str) -> None:
        """The process has ended: nothing in flight will be answered, and its sessions are over.

        Args:
            reason: How it ended.
        """
        self._calls.fail(reason)
        if self._front is not None:
            self._front.close()

    def _notify(self, message: Message) -> None:
        if self._front is not None:
            self._front.notify(message)

    def close_input(self) -> None:
        """Tell the process to end, in the way that the protocol says."""
        self._calls.pipe.close_input()

    def close(self) -> None:
        """Let go of the process."""
        self.fail("the server was stopped")
        self._calls.pipe.close()
        self._calls.close()
        if not self._connected:
            close_pipes(self._replica)
        if self._calls.pipe.dropped:
            _log.warning("lines of the server were too long", extra={"dropped": self._calls.pipe.dropped})


class StdioConnector:
    """Connects to one process after the other, and remembers the era of the last.

    Args:
        exchanges: Where long-lived streams are entered.
        ttl: Seconds without a request after which a session ends.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(self, exchanges: Exchanges, ttl: float, request_timeout: float | None) -> None:
        """Nothing is known of the server yet."""
        self._exchanges = exchanges
        self._ttl = ttl
        self._request_timeout = request_timeout
        self._last: StdioLink | None = None

    def __call__(self, replica: Replica) -> StdioLink:
        """Make the link to a process."""
        era = self._last.era if self._last is not None else None
        self._last = StdioLink(
            replica,
            self._exchanges,
            ttl=self._ttl,
            first=era or Era.LEGACY,
            request_timeout=self._request_timeout,
        )
        return self._last
