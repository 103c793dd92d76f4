"""Waiting for what a stream of changes of sessions comes to."""

from __future__ import annotations

import asyncio
import contextlib

from tests.support.aio import stopwatch

from workloads.errors import SessionStoreUnavailableError


async def until_lost(changes):
    """The seconds until the changes end with an error."""
    async with stopwatch() as seconds:
        with contextlib.suppress(SessionStoreUnavailableError):
            async with asyncio.timeout(30):
                while True:
                    await anext(changes)
        return seconds()
