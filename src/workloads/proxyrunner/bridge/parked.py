"""Requests that wait for what their clients will send with the next one. Pure: the timer is given.

A server of the old era asks while it is at a request, and waits. A client of the new era is answered that input is
required, and asks again with it; what finds the waiting request then is the state that it got and gives back.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from workloads.proxyrunner.jsonrpc import members
from workloads.session.identity import binding_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.jsonrpc import Message
    from workloads.session.identity import Identity

__all__ = ("MAX_PARKED", "PARKED_FOR", "Parked", "ParkingLot", "Timer")

MAX_PARKED = 100
"""Requests that may wait at the same time."""

PARKED_FOR = 300.0
"""Seconds a request waits for its client."""

_PASSING = frozenset({"_meta", "inputResponses", "requestState"})


class Timer(Protocol):
    """What will happen later."""

    def cancel(self) -> None:
        """It will not."""
        ...


@attrs.frozen(eq=False)
class Parked:
    """A request that waits.

    Attributes:
        call: The request.
        ask: What the server asked.
        key: What the client's answer is called.
        digest: What the request asked for and who did, in short: only the same may go on.
        timer: Ends the waiting.
    """

    call: Call
    ask: Message
    key: str
    digest: bytes
    timer: Timer


class ParkingLot:
    """The requests that wait, each under a name that cannot be guessed and is good once.

    Args:
        later: Calls something after so many seconds.
        on_expiry: Called with each request that has waited for too long.
    """

    def __init__(
        self, later: Callable[[float, Callable[[], None]], Timer], on_expiry: Callable[[Parked], object]
    ) -> None:
        """Begin empty."""
        self._later = later
        self._on_expiry = on_expiry
        self._parked: dict[str, Parked] = {}

    def __contains__(self, state: str) -> bool:
        return state in self._parked

    def park(
        self,
        call: Call,
        ask: Message,
        key: str,
        method: str,
        params: dict[str, Any],
        identity: Identity | None = None,
    ) -> str | None:
        """Let a request wait.

        Args:
            call: The request.
            ask: What the server asked.
            key: What the client's answer shall be called.
            method: The method of the request.
            params: Its parameters.
            identity: Who sent it. Default: None, nobody in particular.

        Returns:
            The state to give the client; None when too many wait.
        """
        if len(self._parked) >= MAX_PARKED:
            return None
        state = secrets.token_urlsafe(32)
        timer = self._later(PARKED_FOR, lambda: self._expire(state))
        self._parked[state] = Parked(call, ask, key, _digest(method, params, identity), timer)
        return state

    def take(self, state: str, method: str, params: dict[str, Any], identity: Identity | None = None) -> Parked | None:
        """The request that waits under this state, which thereby goes on; None when there is none like it.

        Args:
            state: What the client gave back.
            method: The method of its new request.
            params: The parameters of that.
            identity: Who sent that. Default: None, nobody in particular.
        """
        parked = self._parked.get(state)
        if parked is None or parked.digest != _digest(method, params, identity):
            return None
        if not isinstance(members(params.get("inputResponses")).get(parked.key), dict):
            return None
        parked.timer.cancel()
        return self._parked.pop(state)

    def clear(self) -> None:
        """Nothing waits any more."""
        for parked in self._parked.values():
            parked.timer.cancel()
        self._parked.clear()

    def _expire(self, state: str) -> None:
        self._on_expiry(self._parked.pop(state))


def _digest(method: str, params: dict[str, Any], identity: Identity | None) -> bytes:
    """What a request asks for, and who, in short. What changes from round to round does not count."""
    asked = {key: value for key, value in params.items() if key not in _PASSING}
    return hashlib.sha256(json.dumps([method, asked, binding_of(identity)], sort_keys=True).encode()).digest()
