"""The HTTP API of a controller, as an ASGI application."""

from __future__ import annotations

import functools
import hmac
import json
import logging
import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from workloads.errors import InvalidNameError, TooManyDisablesError, WorkloadsError
from workloads.scaletozero._facade import face
from workloads.scaletozero._ledger import check_name
from workloads.scaletozero._problems import Reply, json_reply, problem, send_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workloads.scaletozero._asgi_types import Application, Receive, Scope, Send
    from workloads.scaletozero._facade import Face
    from workloads.scaletozero.protocols import AsyncController, Controller

__all__ = ("control_app", "openapi_document")

_LOG = logging.getLogger("workloads.scaletozero")

_DONE = Reply(204, (), b"")
_DEFAULT_NAME = "default"


@functools.cache
def _openapi() -> bytes:
    return files("workloads.scaletozero").joinpath("openapi.json").read_bytes()


def openapi_document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of :func:`control_app`."""
    document: dict[str, Any] = json.loads(_openapi())
    return document


def control_app(controller: Controller | AsyncController, *, token: str | None = None) -> Application:
    """The HTTP API of a controller: an ASGI application for any server, over TCP or a Unix socket.

    ``POST /scaletozero/disable`` and ``POST /scaletozero/enable`` (204, can be repeated, query parameters ``name`` and,
    for the first, ``ttl``), ``GET /scaletozero`` (the status) and ``GET /scaletozero/openapi.json`` (the description of
    all that). Errors are problem documents (RFC 9457). Requests that a browser makes for another site are refused.

    Do not put :class:`ScaleToZeroMiddleware` around it with paths of your own: enabling could not tell that it failed
    while the request itself still holds.

    Args:
        controller: Whose API it is; one for asyncio, or one for threads.
        token: The bearer token that callers must send; None (the default) for none, which is right for a Unix socket
            that only this user can open.

    Raises:
        ValueError: The token is empty.
    """
    if token is not None and not token:
        raise ValueError("an empty token lets nobody in; give None for no token")
    return _ControlApp(face(controller), None if token is None else b"Bearer " + token.encode())


class _ControlApp:
    def __init__(self, controller: Face, credentials: bytes | None) -> None:
        self._controller = controller
        self._description = Reply(200, ((b"content-type", b"application/json"),), _openapi())
        self._credentials = credentials
        self._routes: dict[str, tuple[str, Callable[[Scope], Awaitable[Reply]]]] = {
            "/scaletozero": ("GET", self._status),
            "/scaletozero/disable": ("POST", self._disable),
            "/scaletozero/enable": ("POST", self._enable),
            "/scaletozero/openapi.json": ("GET", self._describe),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await send_reply(send, await self._answer(scope))
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope) -> Reply:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        route = self._routes.get(path)
        if route is None:
            return problem(404, f"There is nothing here; there are {', '.join(self._routes)}.")
        method, handler = route
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if headers.get(b"sec-fetch-site") == b"cross-site":
            return problem(403, "A page of another site cannot do this.")
        if scope["method"] != method:
            return problem(405, f"Use {method}.", headers=((b"allow", method.encode()),))
        if handler != self._describe and not self._may(headers.get(b"authorization", b"")):
            return problem(
                401, "Send the bearer token in the header Authorization.", headers=((b"www-authenticate", b"Bearer"),)
            )
        try:
            return await handler(scope)
        except _BadRequestError as error:
            return problem(400, "The query cannot be understood.", errors=error.problems)
        except TooManyDisablesError as error:
            return problem(409, f"There are {error.limit} names already. Enable those that are done.")
        except WorkloadsError as error:
            _LOG.warning("%s %s failed: %s", method, path, error)
        except Exception:  # noqa: BLE001  # whatever it is, the caller gets an answer in the form described
            _LOG.exception("%s %s failed", method, path)
        return problem(500, "This could not be done now. It can be repeated.")

    def _may(self, credentials: bytes) -> bool:
        if self._credentials is None:
            return True
        scheme, _, token = credentials.partition(b" ")  # the name of the scheme has no case
        return hmac.compare_digest(scheme.title() + b" " + token, self._credentials)

    async def _status(self, scope: Scope) -> Reply:
        _query(scope)
        return json_reply(self._controller.status().to_dict())

    async def _disable(self, scope: Scope) -> Reply:
        query = _query(scope, "name", "ttl")
        ttl = query.get("ttl")
        await self._controller.disable(query.get("name", _DEFAULT_NAME), ttl=None if ttl is None else float(ttl))
        return _DONE

    async def _enable(self, scope: Scope) -> Reply:
        await self._controller.enable(_query(scope, "name").get("name", _DEFAULT_NAME))
        return _DONE

    async def _describe(self, scope: Scope) -> Reply:
        _query(scope)
        return self._description


class _BadRequestError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def _query(scope: Scope, *allowed: str) -> dict[str, str]:
    """The parameters of a query.

    Raises:
        _BadRequestError: Some are unknown, are given twice, or cannot be right; all that is wrong.
    """
    text = scope.get("query_string", b"").decode("latin-1")
    found: dict[str, str] = {}
    problems: list[str] = []
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        if name not in allowed:
            problems.append(f"{name}: unknown; there {'is ' + ', '.join(allowed) if allowed else 'are none'}")
        elif name in found:
            problems.append(f"{name}: given twice")
        else:
            found[name] = value
    if "name" in found:
        try:
            check_name(found["name"])
        except InvalidNameError as error:
            problems.append(f"name: {error.rule}")
    if "ttl" in found and not _is_seconds(found["ttl"]):
        problems.append("ttl: must be a number of seconds above 0")
    if problems:
        raise _BadRequestError(problems)
    return found


def _is_seconds(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the lifespan of the server; there is nothing to begin and nothing to end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
