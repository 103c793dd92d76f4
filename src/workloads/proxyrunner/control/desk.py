"""The desk of a runner's operator: which control routes there are, and where they listen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.control.awake import AWAKE_PATH, Awake
from workloads.proxyrunner.control.metrics import METRICS_PATH
from workloads.proxyrunner.control.server import ControlServer
from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.proxyrunner.asgi import Application
    from workloads.proxyrunner.control.address import ControlAddress
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.recent import RecentSessions
    from workloads.scaletozero.aio import DebouncedController

__all__ = ("Desk",)


class Desk:
    """Answers the operator of one runner.

    Args:
        name: The workload.
        address: Where.
        metrics: Answers ``/metrics``.
        written: Waits until what was told of the workload can be read by others.
    """

    def __init__(
        self, name: str, address: ControlAddress, metrics: Application, written: Callable[[], Awaitable[None]]
    ) -> None:
        """Prepare; nothing is taken yet."""
        self._written = written
        self._server = ControlServer(name, address, {METRICS_PATH: metrics})
        self._awake: Awake | None = None

    @property
    def url(self) -> str:
        """Where it listens: ``unix:PATH`` or ``http://HOST:PORT``; empty while it does not."""
        return self._server.url

    async def open(
        self,
        options: RunnerOptions,
        gate: Gate[Any],
        exchanges: Exchanges,
        controller: DebouncedController | None,
        sessions: RecentSessions | None,
    ) -> None:
        """Listen.

        Args:
            options: What the runner does.
            gate: Open while its server is ready.
            exchanges: What is under way.
            controller: Decides when the server sleeps; None when it never does.
            sessions: Which were used lately; None when that does not matter.

        Raises:
            PortInUseError: The port is taken.
            WorkloadFailedError: The address cannot be listened on.
        """
        self._awake = Awake(
            controller, gate, exchanges, sessions, written=self._written, keeps_sessions=options.suspends
        )
        self._server.routes[AWAKE_PATH] = self._awake
        if controller is not None:
            # It reads its description from a file.
            self._server.routes["/scaletozero"] = await in_thread(_sleep_routes, controller)
        await self._server.open()

    async def close(self) -> None:
        """End what it serves, and remove its socket. Idempotent."""
        if self._awake is not None:
            self._awake.end()
        await self._server.close()


def _sleep_routes(controller: DebouncedController) -> Application:
    from workloads.scaletozero.asgi import control_app

    return control_app(controller)
