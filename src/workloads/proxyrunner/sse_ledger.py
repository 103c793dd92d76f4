"""Which requests of the old SSE transport are unanswered.

There a request is a POST that is accepted at once, and its answer comes on the client's stream. So a stream must not be
ended while answers are due on it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from workloads.proxyrunner.body import MAX_BODY
from workloads.proxyrunner.jsonrpc import Kind, Message, kind_of, members, read, usable_id
from workloads.proxyrunner.sse import EventReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("SseLedger", "Tap", "concerns")


class Tap:
    """Watches one stream.

    Args:
        ledger: Where it is entered once the stream has named its endpoint.
        target: Path and query the stream was opened with.
    """

    def __init__(self, ledger: SseLedger, target: str) -> None:
        """Begin at the start of the stream."""
        self._ledger = ledger
        self._target = target
        self._events = EventReader(limit=MAX_BODY)
        self._due: Counter[tuple[type, object]] = Counter()
        self._when_idle: Callable[[], object] | None = None
        self.strangers: set[str] = set()
        """The ids, as JSON, of what was answered, or cancelled, but not posted here. Who takes note empties it."""
        self.endpoint = ""
        """Path and query that the client posts to; empty until the stream named it."""

    def feed(self, part: bytes) -> None:
        """A part of the stream went to the client."""
        try:
            for event in self._events.feed(part):
                if event.type == "endpoint":
                    self._enter(event.data)
                else:
                    self._settle(_message(event.data))
        except ValueError:  # no event stream after all: nothing can be told from it
            self._due.clear()
        self._rest()

    def expect(self, message: Message) -> None:
        """The client posted this."""
        if kind_of(message) is Kind.REQUEST:
            self._due[_key(message["id"])] += 1
        elif message.get("method") == "notifications/cancelled":
            self._over(members(message.get("params")).get("requestId"))

    def forget(self, message: Message) -> None:
        """What the client posted was not accepted."""
        if kind_of(message) is Kind.REQUEST:
            self._drop(message["id"])

    def cancelled(self, requests: Iterable[str]) -> None:
        """The client cancelled these elsewhere: their ids, as JSON."""
        for request in requests:
            self._drop(json.loads(request))

    @property
    def idle(self) -> bool:
        """Whether no answer is due."""
        return not self._due

    def when_idle(self, call: Callable[[], object]) -> None:
        """Call this as soon as no answer is due, at once if none is."""
        self._when_idle = call
        self._rest()

    def close(self) -> None:
        """The stream is over."""
        self._ledger.leave(self)

    def _enter(self, endpoint: str) -> None:
        whole = urlsplit(urljoin(self._target, endpoint.strip()))
        self.endpoint = f"{whole.path}?{whole.query}" if whole.query else whole.path
        self._ledger.enter(self)

    def _settle(self, message: Message) -> None:
        if kind_of(message) is Kind.RESPONSE:
            self._over(message["id"])

    def _over(self, request_id: object) -> None:
        if _key(request_id) not in self._due:
            self.strangers.add(_text(request_id))
        self._drop(request_id)

    def _drop(self, request_id: object) -> None:
        key = _key(request_id)
        if self._due[key] > 1:
            self._due[key] -= 1
        else:
            del self._due[key]
        self._rest()

    def _rest(self) -> None:
        if self._when_idle is not None and not self._due:
            self._when_idle()
            self._when_idle = None


class SseLedger:
    """All streams, by the endpoint that their clients post to."""

    def __init__(self) -> None:
        """Begin without streams."""
        self._taps: dict[str, Tap] = {}

    def watch(self, target: str) -> Tap:
        """Watch a stream that was opened with this path and query."""
        return Tap(self, target)

    def posted(self, target: str, body: bytes) -> tuple[Tap, Message] | None:
        """A client posts this. Returns what to tell if it is not accepted; None if no stream waits for an answer."""
        tap = self._taps.get(target)
        if tap is None:
            return None
        message = _message(body)
        tap.expect(message)
        return tap, message

    def enter(self, tap: Tap) -> None:
        """A stream named its endpoint."""
        self._taps[tap.endpoint] = tap

    def leave(self, tap: Tap) -> None:
        """A stream is over."""
        if self._taps.get(tap.endpoint) is tap:
            del self._taps[tap.endpoint]


def concerns(body: bytes) -> tuple[str | None, str | None]:
    """What a client awaits when it has posted this, and what it awaits no more: ids, as JSON."""
    message = _message(body)
    if kind_of(message) is Kind.REQUEST:
        return _text(message["id"]), None
    if message.get("method") == "notifications/cancelled":
        return None, _text(members(message.get("params")).get("requestId"))
    return None, None


def _text(request_id: object) -> str:
    return json.dumps(usable_id(request_id))


def _message(text: str | bytes) -> Message:
    try:
        return members(read(text))
    except ValueError:
        return {}


def _key(request_id: object) -> tuple[type, object]:
    usable = usable_id(request_id)
    return type(usable), usable
