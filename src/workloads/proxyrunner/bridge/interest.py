"""Who wants to hear of which resource, on a pipe where the server knows one client only. Pure."""

from __future__ import annotations

__all__ = ("Interest", "concerns")


def concerns(wanted: set[str], uri: str) -> bool:
    """Whether news of a resource concerns who wants to hear of these: it is one of them, or a part of one."""
    return uri in wanted or any(uri.startswith(f"{base.rstrip('/')}/") for base in wanted)


class Interest:
    """Counts who is interested, so that the server is told of the first and of the last."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._who: dict[str, set[object]] = {}
        self._told: set[str] = set()

    def add(self, uri: str, who: object) -> bool:
        """Somebody wants to hear of a resource.

        Returns:
            Whether the server has still to be told: it has not agreed for anybody else.
        """
        self._who.setdefault(uri, set()).add(who)
        return uri not in self._told

    def agreed(self, uri: str) -> None:
        """The server has agreed to tell of a resource."""
        if uri in self._who:
            self._told.add(uri)

    def remove(self, uri: str, who: object) -> bool:
        """Somebody does not want to hear of a resource any more.

        Returns:
            Whether nobody is left that does, but somebody was.
        """
        known = self._who.get(uri)
        if known is None or who not in known:
            return False
        known.discard(who)
        if known:
            return False
        del self._who[uri]
        self._told.discard(uri)
        return True
