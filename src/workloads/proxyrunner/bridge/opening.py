"""Which protocol era a stdio server speaks, found out with the first request it gets.

``server/discover`` comes first, as the new era has it: a server of the SDKs that speaks both eras takes its first
request for the choice and keeps to it for the life of the process, and in the new era one process serves any number of
clients. A server of the old era answers with an error, and is then initialized. One that ends instead gets a second
process, and one that says nothing for a while is initialized too: whichever it answers counts.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from workloads.proxyrunner.bridge.asking import EVERYTHING
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.link import OtherEraError, RefusedError, ServerGoneError
from workloads.proxyrunner.protocol import MODERN, discover_params, initialize_params

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("Era", "Opened", "initialize", "open_server")

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds after which a server that says nothing to ``server/discover`` is initialized."""


class Era(Enum):
    """How a server wants to be talked to."""

    LEGACY = "legacy"
    MODERN = "modern"


@attrs.frozen
class Opened:
    """A server that has answered its opening request.

    Attributes:
        era: Its era.
        result: What it said of itself: the result of ``initialize`` or ``server/discover``.
    """

    era: Era
    result: dict[str, Any]


async def open_server(calls: Calls, first: Era) -> Opened:
    """Send a server its opening request.

    Args:
        calls: The pipe to it, just connected.
        first: The era to try first: the one its last process spoke, or else the new one.

    Raises:
        RefusedError: It speaks neither.
        OtherEraError: It ended when it was asked in the way of the new era.
        ServerGoneError: It ended.
    """
    if first is Era.LEGACY:
        return await _legacy_first(calls)
    asking = asyncio.ensure_future(_ask(calls, "server/discover", discover_params()))
    try:
        await asyncio.wait({asking}, timeout=PATIENCE)
        if asking.done():
            return await _judge(calls, asking)
        return await _race(calls, asking)
    finally:
        await _give_up(asking)


async def initialize(calls: Calls, params: dict[str, Any], *, complete: bool = True) -> Opened:
    """Open a server in the way of the old era only.

    Args:
        calls: The pipe to it, just connected.
        params: What to say.
        complete: Whether to tell the server that all is well; else its client will.

    Raises:
        RefusedError: It does not speak that.
        ServerGoneError: It ended.
    """
    answer = await _ask(calls, "initialize", params)
    result = members(answer.get("result"))
    if "protocolVersion" not in result:
        error = members(answer.get("error"))
        raise RefusedError(f"initialize: error {error.get('code')}: {error.get('message')}")
    if complete:
        await calls.notify("notifications/initialized", None)
    return Opened(Era.LEGACY, result)


async def _legacy_first(calls: Calls) -> Opened:
    try:
        return await initialize(calls, initialize_params(EVERYTHING))
    except RefusedError:
        opened = _discovered(await _ask(calls, "server/discover", discover_params()))
        if opened is None:
            raise
        return opened


async def _judge(calls: Calls, asking: asyncio.Future[Message]) -> Opened:
    """Go on after an answer to ``server/discover``."""
    try:
        opened = _discovered(asking.result())
    except ServerGoneError:
        raise OtherEraError from None
    return opened or await initialize(calls, initialize_params(EVERYTHING))


async def _race(calls: Calls, asking: asyncio.Future[Message]) -> Opened:
    """Initialize a server that has said nothing so far: it may be slow, or not answer what it does not know."""
    initializing = asyncio.ensure_future(initialize(calls, initialize_params(EVERYTHING)))
    try:
        both: list[asyncio.Future[Any]] = [asking, initializing]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            try:
                return await initializing
            except RefusedError:
                await asyncio.wait({asking})
        return _discovered(asking.result()) or await initializing
    finally:
        await _give_up(initializing)


async def _give_up(task: asyncio.Future[T]) -> None:
    """End a task, if it has not ended, whatever comes of it."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def _discovered(answer: Message) -> Opened | None:
    result = members(answer.get("result"))
    versions = result.get("supportedVersions")
    return Opened(Era.MODERN, result) if isinstance(versions, list) and MODERN in versions else None


async def _ask(calls: Calls, method: str, params: dict[str, Any]) -> Message:
    call = calls.open(method, params, 0)
    try:
        await calls.submit(call)
        while await call.next() is not None:
            pass
    finally:
        calls.finish(call)
    assert call.response is not None
    return call.response
