"""How an exchange with a server fails."""

from __future__ import annotations

__all__ = ("BadAnswerError", "ConnectFailedError", "ResetError", "StreamCutError")


class ConnectFailedError(Exception):
    """No connection could be made, so nothing was sent."""


class ResetError(Exception):
    """The connection ended before an answer began; the request may have been carried out."""


class BadAnswerError(Exception):
    """What came back is no HTTP, or more of it than a head may have."""


class StreamCutError(Exception):
    """The answer ended in the middle."""
