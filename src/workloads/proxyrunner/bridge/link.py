"""The connection between the bridge and one process: opening it, serving over it, and letting go of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from workloads.proxyrunner.bridge.calls import Calls
from workloads.proxyrunner.bridge.opening import Era, initialize, open_server
from workloads.proxyrunner.bridge.process_front import Elsewhere, ProcessFront
from workloads.proxyrunner.link import OtherEraError, RefusedError
from workloads.proxyrunner.server import close_pipes

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.bridge.opening import Opened
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.jsonrpc import Message
    from workloads.runtimes.protocol import Replica

__all__ = ("StdioLink",)

_log = logging.getLogger(__name__)


class StdioLink:
    """Talks to one process over its standard input and output.

    Args:
        replica: The process.
        exchanges: Where long-lived streams are entered.
        ttl: Seconds without a request after which a session ends.
        first: The era to try first.
        params: What to say in ``initialize``; the process is then opened in no other way. Default: None, either way.
        private: Whether the process is for one session only, whose client completes the opening.
        elsewhere: What serves sessions in the place of the process. Default: nothing does.
        request_timeout: Seconds the server may take for a request; None is as long as it takes.
    """

    def __init__(
        self,
        replica: Replica,
        exchanges: Exchanges,
        *,
        ttl: float,
        first: Era = Era.MODERN,
        params: dict[str, Any] | None = None,
        private: bool = False,
        elsewhere: Elsewhere | None = None,
        request_timeout: float | None = None,
    ) -> None:
        """Prepare; :meth:`ready` connects."""
        self._replica = replica
        self._exchanges = exchanges
        self._ttl = ttl
        self._first = first
        self._params = params
        self._private = private
        self._elsewhere = elsewhere
        self._request_timeout = request_timeout
        self._calls = Calls(self._notify, self._ask)
        self._front: ProcessFront | None = None
        self._connected = False
        self.last_answer = ""
        self.era: Era | None = None
        """The era of the process, once it is known, and of the next process of this server."""
        self.refused = False
        """Whether the process answered its opening request with an error."""

    async def ready(self) -> tuple[ProcessFront, float]:
        """Connect, and wait for the answer to the opening request.

        Returns:
            What serves the process, and the seconds its answer took.

        Raises:
            RefusedError: It speaks neither era.
            OtherEraError: It ended when it was asked in the way of the new era.
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
            opened = await self._open()
        except RefusedError as error:
            self.refused = True
            self.last_answer = str(error)
            raise
        except OtherEraError:
            self.era = Era.LEGACY
            raise
        self.era = opened.era
        self._front = ProcessFront(
            opened,
            self._calls,
            self._exchanges,
            ttl=self._ttl,
            elsewhere=self._elsewhere,
            private=self._private,
            request_timeout=self._request_timeout,
        )
        return self._front, time.monotonic() - begun

    async def _open(self) -> Opened:
        if self._params is None:
            return await open_server(self._calls, self._first)
        return await initialize(self._calls, self._params, complete=not self._private)

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

    def _ask(self, message: Message, call: Call | None) -> bool:
        return self._front is not None and self._front.ask(message, call)

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
