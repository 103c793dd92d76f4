"""``tool-call-filter``: refuses calls of tools that clients do not have, and calls the others by the server's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.jsonrpc import INVALID_PARAMS, INVALID_REQUEST, encode, members
from workloads.proxyrunner.middleware.bodies import AmbiguousError, is_post, message_of, request_body, with_body
from workloads.proxyrunner.middleware.tool_policy import ToolPolicy
from workloads.proxyrunner.replies import refusal

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application, Receive, Scope, Send
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext

__all__ = ("make",)

_CALL = "tools/call"


def make(parameters: Any, context: MiddlewareContext) -> Middleware:
    """The middleware for the parameters ``filter_tools`` and ``tools_override``."""
    policy = ToolPolicy.of(parameters)
    return lambda application: _ToolCalls(application, policy, context.max_body)


class _ToolCalls:
    def __init__(self, application: Application, policy: ToolPolicy, max_body: int) -> None:
        self._application = application
        self._policy = policy
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_post(scope):
            await self._application(scope, receive, send)
            return
        body = await request_body(scope, receive, self._max_body)
        try:
            message = message_of(scope["headers"], body)
        except AmbiguousError as error:
            await respond(send, refusal(400, INVALID_REQUEST, f"Message refused: {error}", request=body))
            return
        if message.get("method") == _CALL:
            params = members(message.get("params"))
            asked: Any = params.get("name")
            own = self._policy.called(asked) if isinstance(asked, str) else None
            if own is None:
                # As a server answers that has no such tool; what is hidden is not told from what is not there.
                await respond(send, refusal(200, INVALID_PARAMS, f"Unknown tool: {asked}", request=body))
                return
            if own != asked:
                scope = {**scope, "headers": [_renamed(item, asked, own) for item in scope["headers"]]}
                body = encode({**message, "params": {**params, "name": own}})
        await self._application(*with_body(scope, receive, body), send)


def _renamed(item: tuple[bytes, bytes], asked: str, own: str) -> tuple[bytes, bytes]:
    name, value = item
    return (name, own.encode()) if name == b"mcp-name" and value == asked.encode() else item
