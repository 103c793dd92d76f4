"""Requests of a server to a client: which there are, what a client must have declared to get one, and who owes answers.

Pure: nothing is sent here.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import attrs

from workloads.proxyrunner.jsonrpc import members

if TYPE_CHECKING:
    import asyncio

    from workloads.proxyrunner.bridge.call import Call
    from workloads.proxyrunner.jsonrpc import Message

__all__ = ("EVERYTHING", "MAX_ASKED", "Ask", "Asks", "declares", "needed")

MAX_ASKED = 100
"""Questions that one session may have open."""

EVERYTHING: dict[str, Any] = {"sampling": {}, "roots": {}, "elicitation": {"form": {}, "url": {}}}
"""What the bridge declares to a server that several clients share: each is asked only what it declared itself."""

_CAPABILITIES = {"sampling/createMessage": "sampling", "roots/list": "roots", "elicitation/create": "elicitation"}


def needed(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The capabilities that a client must have declared to be asked this; None when no client can be.

    Args:
        method: The method of the server's request.
        params: Its parameters.
    """
    name = _CAPABILITIES.get(method)
    if name is None:
        return None
    if name == "elicitation":
        return {name: {str(params.get("mode", "form")): {}}}
    return {name: {"tools": {}} if name == "sampling" and "tools" in params else {}}


def declares(capabilities: dict[str, Any], method: str, params: dict[str, Any]) -> bool:
    """Whether a client with these capabilities may be asked this.

    Args:
        capabilities: What the client declared.
        method: The method of the server's request.
        params: Its parameters.
    """
    wanted = needed(method, params)
    if wanted is None:
        return False
    ((name, features),) = wanted.items()
    if name not in capabilities:
        return False
    declared = set(members(capabilities[name]))
    if name == "elicitation" and not declared & {"form", "url"}:
        declared.add("form")  # what the capability meant before there were modes
    return declared.issuperset(features)


@attrs.define(eq=False)
class Ask:
    """A question to a client.

    Attributes:
        id: Its id, of ours.
        message: The server's request.
        call: The client's request that caused it; None when none did.
        answer: Gets the client's answer; None when that goes to the server as it is.
    """

    id: str
    message: Message
    call: Call | None = None
    answer: asyncio.Future[Message] | None = None

    @property
    def sent(self) -> Message:
        """The request as the client gets it."""
        return {**self.message, "jsonrpc": "2.0", "id": self.id}


class Asks:
    """The questions to one client that it has not answered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[str, Ask] = {}
        self._numbers = count(1)

    def put(
        self, message: Message, call: Call | None = None, answer: asyncio.Future[Message] | None = None
    ) -> Ask | None:
        """Ask something; None when too much is asked already. The arguments are those of :class:`Ask`."""
        if len(self._open) >= MAX_ASKED:
            return None
        ask = Ask(f"ask-{next(self._numbers)}", message, call, answer)
        self._open[ask.id] = ask
        return ask

    def take(self, ask_id: object) -> Ask | None:
        """The question with that id, which is thereby open no more."""
        return self._open.pop(ask_id, None) if isinstance(ask_id, str) else None

    def find(self, server_id: object) -> Ask | None:
        """The question with that id of the server's."""
        return next((ask for ask in self._open.values() if _same(ask.message.get("id"), server_id)), None)

    def of(self, call: Call | None) -> list[Ask]:
        """The open questions that a call caused."""
        return [ask for ask in self._open.values() if ask.call is call]

    def all(self) -> list[Ask]:
        """Every open question."""
        return list(self._open.values())

    def reports(self, token: object) -> bool:
        """Whether a progress token is that of an open question."""
        return any(
            _same(members(members(ask.message.get("params")).get("_meta")).get("progressToken"), token)
            for ask in self._open.values()
        )


def _same(one: object, other: object) -> bool:
    return one is not None and type(one) is type(other) and one == other
