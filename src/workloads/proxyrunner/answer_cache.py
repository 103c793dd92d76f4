"""Answers of the new era that their server allows to be kept. Pure: the clock is given."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs
from cachetools import LRUCache

from workloads.proxyrunner.jsonrpc import encode, members

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("CACHEABLE", "MAX_ANSWER", "MAX_ANSWERS", "AnswerCache")

CACHEABLE = frozenset({
    "prompts/list", "resources/list", "resources/read", "resources/templates/list", "server/discover", "tools/list",
})  # fmt: skip
"""The methods whose results may be kept."""

MAX_ANSWERS = 512
"""Answers that are kept at the same time; of more, the one unused for longest is forgotten."""

MAX_ANSWER = 256 * 2**10
"""Bytes an answer may have to be kept."""

_LONGEST = 24 * 3600.0
_ROUND = frozenset({"inputResponses", "requestState"})
_ENDS = {
    "notifications/tools/list_changed": frozenset({"tools/list"}),
    "notifications/prompts/list_changed": frozenset({"prompts/list"}),
    "notifications/resources/list_changed": frozenset({"resources/list", "resources/templates/list"}),
}
_UPDATED = "notifications/resources/updated"


@attrs.frozen
class _Kept:
    method: str
    uri: str | None
    text: bytes
    until: float


class AnswerCache:
    """Keeps answers as long as their server says, and for whom it says.

    Args:
        clock: The time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin empty."""
        self._clock = clock
        self._kept: LRUCache[bytes, _Kept] = LRUCache(MAX_ANSWERS)

    def find(self, method: str, params: dict[str, Any], who: str) -> dict[str, Any] | None:
        """The result that is kept for a request; None when there is none.

        Args:
            method: Its method.
            params: Its parameters.
            who: Who asks, in a form that tells nobody; empty when nothing is known of that.
        """
        if method not in CACHEABLE or params.keys() & _ROUND:
            return None
        for scope in ("", who):
            kept = self._kept.get(_key(method, params, scope))
            left = kept.until - self._clock() if kept is not None else 0.0
            if kept is not None and left > 0:
                found: dict[str, Any] = json.loads(kept.text)
                return {**found, "ttlMs": int(left * 1000)}
        return None

    def keep(self, method: str, params: dict[str, Any], who: str, result: dict[str, Any]) -> None:
        """Keep a result, if its server allows that. The arguments are those of :meth:`find`."""
        ttl, scope = result.get("ttlMs"), result.get("cacheScope")
        if method not in CACHEABLE or params.keys() & _ROUND or result.get("resultType") != "complete":
            return
        if not isinstance(ttl, int) or isinstance(ttl, bool) or ttl <= 0:
            return
        if scope != "public" and (scope != "private" or not who):
            return
        uri = params.get("uri") if method == "resources/read" else None
        kept = _Kept(method, uri, encode(result), self._clock() + min(ttl / 1000, _LONGEST))
        self._kept[_key(method, params, "" if scope == "public" else who)] = kept

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def heard(self, message: dict[str, Any]) -> None:
        """A server told that something has changed: what was kept of that is true no more."""
        method = message.get("method")
        if method == _UPDATED:
            uri = str(members(message.get("params")).get("uri"))
            self._drop(lambda kept: kept.uri is not None and (kept.uri == uri or uri.startswith(f"{kept.uri}/")))
        elif method in _ENDS:
            self._drop(lambda kept: kept.method in _ENDS[method])

    def _drop(self, ended: Callable[[_Kept], bool]) -> None:
        for key in [key for key, kept in self._kept.items() if ended(kept)]:
            del self._kept[key]


def _key(method: str, params: dict[str, Any], who: str) -> bytes:
    """What a result depends on: all parameters but the metadata, and for whom it is."""
    asked = {name: value for name, value in params.items() if name != "_meta"}
    return hashlib.sha256(json.dumps([method, asked, who], sort_keys=True).encode()).digest()
