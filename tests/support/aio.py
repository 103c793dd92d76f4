"""Asyncio in tests: an ordinary test calls :func:`run`; no plugin, no magic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T], *, timeout: float = 30.0) -> T:
    """Run a coroutine to its end in a loop of its own, with asyncio's debug checks on.

    Args:
        coroutine: The test's body.
        timeout: Seconds after which it is cancelled and ``TimeoutError`` raised, where it stands in the traceback.
    """

    async def bounded() -> T:
        async with asyncio.timeout(timeout):
            return await coroutine

    return asyncio.run(bounded(), debug=True)
