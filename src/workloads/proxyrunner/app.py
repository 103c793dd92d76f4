"""What answers on the data port: the guard first, then ``/health``, then the workload."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from workloads.proxyrunner import replies
from workloads.proxyrunner.asgi import CONNECTION, ClientGoneError, respond
from workloads.proxyrunner.body import BodyError, body_to_refuse
from workloads.proxyrunner.health import HEALTH_PATH

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application, ClientConnection, Receive, Scope, Send
    from workloads.proxyrunner.exchanges import Exchanges
    from workloads.proxyrunner.guard import Guard, Verdict
    from workloads.proxyrunner.health import Health

__all__ = ("Front",)


class Front:
    """The outermost ASGI application.

    Args:
        guard: Judges every request.
        health: Answers ``/health``.
        workload: Answers everything else.
        exchanges: Where requests to the workload are counted.
    """

    def __init__(self, guard: Guard, health: Health, workload: Application, exchanges: Exchanges) -> None:
        """Compose."""
        self._guard = guard
        self._health = health
        self._workload = workload
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        connection: ClientConnection = scope[CONNECTION]
        try:
            verdict = self._guard.judge(scope["headers"])
            if verdict is not None:
                await _refuse(verdict, scope, receive, send)
            elif scope["path"] == HEALTH_PATH:
                await respond(send, self._health.reply(scope["method"]))
            else:
                self._exchanges.begin()
                try:
                    await self._workload(scope, receive, send)
                finally:
                    self._exchanges.end()
        except BodyError as error:
            await respond(send, error.reply)
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            # Whoever serves a client may ask to be cancelled when the client goes: then all is well.
            if not connection.lost:
                raise


async def _refuse(verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    body = await body_to_refuse(scope, receive)
    await respond(send, replies.refusal(verdict.status, verdict.code, verdict.message, request=body))
