"""What a runner remembers of its replicas: which session is at which, and what else means something to one only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads.model import TransportType

if TYPE_CHECKING:
    from workloads.config import RunConfig
    from workloads.proxyrunner.affinity import Affinity
    from workloads.proxyrunner.awaited import Awaited
    from workloads.proxyrunner.options import RunnerOptions
    from workloads.proxyrunner.shared_trails import SharedTrails
    from workloads.proxyrunner.upstream import Upstream
    from workloads.session import SessionManager

__all__ = ("Memory",)


@attrs.frozen
class Memory:
    """What is remembered, alone or together with other proxies.

    Attributes:
        affinity: Which session is at which replica; None when that does not matter.
        trails: Which states and tasks are of which replica, as all proxies know it; None when there are no others.
    """

    affinity: Affinity | None = None
    trails: SharedTrails | None = None

    @classmethod
    def of(cls, config: RunConfig, options: RunnerOptions, replicas: int, upstream: Upstream) -> Memory:
        """What has to be remembered: one server alone knows its own sessions.

        Args:
            config: What is run.
            options: What that means to the runner.
            replicas: How many servers there are.
            upstream: The connections to them.

        Raises:
            MissingDependencyError: ``workloads[redis]`` is not installed.
            InvalidSessionStoreError: The address of the store, or something else of it, cannot be used.
        """
        if options.transport is TransportType.STDIO:
            return cls()
        shares, authenticates = options.shares_sessions, options.chain.authenticates
        # In the old transport each stream is a session, whatever else the server may do without.
        sessionful = not options.stateless or options.transport is TransportType.SSE
        sessions = sessionful and (replicas > 1 or shares or authenticates)
        if not sessions and not shares:
            return cls()
        from workloads.session import SessionManager

        affinity = trails = None
        manager = SessionManager.from_run_config(config, bind_identity=authenticates)
        if sessions:
            from workloads.proxyrunner.affinity import Affinity
            from workloads.proxyrunner.handshake import Handshake

            affinity = Affinity(
                manager, Handshake(upstream), ttl=options.session_ttl, awaited=_awaited(options, manager)
            )
        if shares:
            from workloads.proxyrunner.shared_trails import SharedTrails

            trails = SharedTrails(manager)
        return cls(affinity, trails)

    async def close(self) -> None:
        """End what is under way, and close the store."""
        for each in (self.affinity, self.trails):
            if each is not None:
                await each.close()


def _awaited(options: RunnerOptions, manager: SessionManager) -> Awaited | None:
    """Where it is kept which answers come at other proxies; None where there are no others, or that cannot be."""
    if options.transport is not TransportType.SSE or not options.shares_sessions:
        return None
    from workloads.proxyrunner.awaited import Awaited

    return Awaited(manager)
