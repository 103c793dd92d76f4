"""Which protocol era a stdio server speaks, found out with the first request it gets.

``initialize`` comes first. A server of the SDKs that speaks both eras takes its first request for the choice and keeps
to it for the life of the process; and a client that could speak either falls back to the old era as soon as its probe
is refused, while an old client cannot go forward. So the old era is the one that all clients can share. Only a server
that refuses ``initialize`` is asked in the new way.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.link import RefusedError, ServerGoneError, TryModernError
from workloads.proxyrunner.protocol import MODERN, discover_params, initialize_params

if TYPE_CHECKING:
    from workloads.proxyrunner.bridge.calls import Calls
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("Era", "Opened", "RefusedError", "TryModernError", "open_server")


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
        first: The era to try first: the one its last process spoke, or else the old one.

    Raises:
        RefusedError: It speaks neither.
        TryModernError: It refused ``initialize`` and ended.
        ServerGoneError: It ended.
    """
    if first is Era.MODERN:
        answer = await _ask(calls, "server/discover", discover_params())
        return _discovered(answer) or await _initialize(calls)
    try:
        return await _initialize(calls)
    except RefusedError as refused:
        try:
            answer = await _ask(calls, "server/discover", discover_params())
        except ServerGoneError:
            raise TryModernError from refused
        opened = _discovered(answer)
        if opened is None:
            raise
        return opened


async def _initialize(calls: Calls) -> Opened:
    answer = await _ask(calls, "initialize", initialize_params())
    result = members(answer.get("result"))
    if "protocolVersion" not in result:
        error = members(answer.get("error"))
        raise RefusedError(f"initialize: error {error.get('code')}: {error.get('message')}")
    await calls.notify("notifications/initialized", None)
    return Opened(Era.LEGACY, result)


def _discovered(answer: Message) -> Opened | None:
    result = members(answer.get("result"))
    return Opened(Era.MODERN, result) if MODERN in result.get("supportedVersions", ()) else None


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
