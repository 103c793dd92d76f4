"""Why Redis could not be asked, in words that hold no secret and no session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("FAILURES", "explain", "is_lost")

FAILURES = (RedisError, RedisClusterException, OSError, RuntimeError)
"""What redis-py raises when it cannot ask, or when the answer is an error.

``RuntimeError`` is what uvloop raises when a connection was closed by another task, and redis-py lets through.
"""

_KNOWN: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "it refuses the user or the password"),
    (BusyLoadingError, "it is still loading its data"),
    (MaxConnectionsError, "the client has no connection left"),
    (OutOfMemoryError, "it has no memory left"),
    (ReadOnlyError, "it is a replica, which cannot be written"),
    (RuntimeError, "the connection was closed"),
    (RedisTimeoutError, "it did not answer in time"),
    (TimeoutError, "it did not answer in time"),
)

# An answer to a command begins its argument list like this, and arguments are sessions and passwords.
_ARGUMENTS = ", with args beginning with"


def is_lost(error: Exception) -> bool:
    """Whether another connection, or another moment, can help at once.

    Args:
        error: What redis-py raised.
    """
    if isinstance(error, AuthenticationError | BusyLoadingError | MaxConnectionsError):
        return False
    return isinstance(error, RedisConnectionError | ClusterDownError | RedisClusterException | RuntimeError)


def explain(error: Exception, secrets: Iterable[str]) -> str:
    """What an error means, for people.

    Args:
        error: What redis-py raised.
        secrets: What must not be shown.
    """
    for kind, meaning in _KNOWN:
        if isinstance(error, kind):
            return meaning
    text = str(error).partition(_ARGUMENTS)[0].strip().rstrip(".") or type(error).__name__
    for secret in secrets:
        text = text.replace(secret, "***")
    if isinstance(error, NoPermissionError):
        return f"its access control list forbids it: {text}"
    return text
