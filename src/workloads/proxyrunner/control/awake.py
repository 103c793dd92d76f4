"""``/awake``: why a workload is awake (``GET``), keep it awake (``POST``), and put it to sleep now (``DELETE``)."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import attrs

from workloads.errors import ControllerClosedError, ToggleError
from workloads.proxyrunner.asgi import CONNECTION, follow, respond
from workloads.proxyrunner.control.usage import Usage
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.replies import Reply, json_reply, method_not_allowed
from workloads.proxyrunner.sleep_gate import not_woken
from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.proxyrunner.asgi import Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.gate import Gate
    from workloads.proxyrunner.recent import RecentSessions
    from workloads.scaletozero.aio import DebouncedController, NoopController

__all__ = ("AWAKE_PATH", "Awake")

AWAKE_PATH = "/awake"


class Awake:
    """An ASGI application that tells of, and changes, whether a workload sleeps.

    ``POST`` answers once the workload is ready, and the workload is held until its answer has ended, which it does when
    the client goes, however that comes about, or the proxy ends.

    Args:
        controller: Decides when it sleeps; None where it never does.
        gate: Open while it is ready.
        exchanges: What is under way.
        sessions: What was used lately; None where it never sleeps.
        written: Waits until what was told of the workload can be read by others, so that whoever was answered here
            reads of the workload what the answer said.
        keeps_sessions: Whether sessions go on after it slept, so that they need not keep it awake.
    """

    def __init__(
        self,
        controller: DebouncedController | None,
        gate: Gate[Any],
        exchanges: Exchanges,
        sessions: RecentSessions | None,
        *,
        written: Callable[[], Awaitable[None]],
        keeps_sessions: bool,
    ) -> None:
        """Compose."""
        self._written = written
        self._keeps_sessions = keeps_sessions
        self._book: NoopController | None = None
        self._controller = controller
        self._gate = gate
        self._exchanges = exchanges
        self._sessions = sessions
        self._over = asyncio.Event()

    def end(self) -> None:
        """Keep it awake for nobody any more."""
        self._over.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one request."""
        match scope["method"]:
            case "GET":
                await respond(send, _told(200, **self.usage().to_dict()))
            case "POST":
                await self._hold(scope, send)
            case "DELETE":
                await respond(send, await self._sleep())
            case _:
                await respond(send, method_not_allowed("GET", "POST", "DELETE"))

    def usage(self) -> Usage:
        """Why it is awake."""
        controller, exchanges = self._controller, self._exchanges
        if controller is None:
            holds = () if self._book is None else self._book.status().holds
            return Usage(sleeps=False, holds=holds, requests=exchanges.requests, streams=exchanges.streams)
        status = controller.status()
        sessions, session_idle = (0, None) if self._sessions is None else self._sessions.look()
        return Usage(
            sleeps=True,
            asleep=status.sleep == "allowed",
            sleeps_in=status.sleeps_in,
            holds=status.holds,
            disables=status.disables,
            requests=exchanges.requests,
            streams=exchanges.streams,
            sessions=sessions,
            session_idle=session_idle,
            trouble="" if status.owed is None else status.owed.error,
        )

    async def _sleep(self) -> Reply:
        if self._controller is None:
            return _told(409, detail="it never sleeps; set idle_timeout in its run config")
        usage = self.usage()
        if self._keeps_sessions:
            usage = attrs.evolve(usage, sessions=0, session_idle=None)
        if usage.in_use and not usage.asleep:
            return _told(409, detail="it is in use", users=usage.users())
        try:
            # Nothing has been awaited since it was looked at, so nobody has come meanwhile.
            await self._controller.allow_now()
        except (ToggleError, ControllerClosedError) as error:
            return _told(503, detail=str(error))
        if self._sessions is not None and not self._keeps_sessions:
            self._sessions.forget()
        await self._written()
        return Reply(204, b"", ())

    async def _hold(self, scope: Scope, send: Send) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        owner, reason = (query.get(key, [""])[0] for key in ("owner", "reason"))
        connection = scope[CONNECTION]
        follow(connection)
        try:
            controller = self._controller or await self._keep_book()
            try:
                hold = await controller.acquire(owner, reason=reason)
            except ToggleError as error:
                await respond(send, _told(503, detail=str(not_woken(error))))
            except ControllerClosedError:
                await respond(send, _told(503, detail="The proxy is shutting down"))
            else:
                try:
                    await self._stay(send)
                finally:
                    hold.release()
        except asyncio.CancelledError:
            if not connection.lost:
                raise
        finally:
            connection.on_lost = None

    async def _keep_book(self) -> NoopController:
        """Write down who holds what never sleeps. Made when somebody does, for a runner shall be small."""
        await in_thread(import_module, "workloads.scaletozero.aio")
        from workloads.scaletozero.aio import NoopController

        if self._book is None:
            self._book = NoopController()
        return self._book

    async def _stay(self, send: Send) -> None:
        """Answer, once it is ready, and go on answering until the client goes or the proxy ends."""
        try:
            await self._gate.opened()
        except UnavailableError as error:
            await respond(send, _told(503, detail=str(error)))
            return
        await self._written()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"awake\n", "more_body": True})
        await self._over.wait()
        await send({"type": "http.response.body", "body": b""})


def _told(status: int, **members: object) -> Reply:
    return json_reply(status, json.dumps(members).encode())
