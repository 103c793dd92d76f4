"""The streams of a manager for asyncio, and how long it takes to close one that somebody waits for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

# Of the workload ``time``; none ends by itself.
STREAMS = {
    "get_logs": lambda manager: manager.get_logs("time", follow=True),
    "get_proxy_logs": lambda manager: manager.get_proxy_logs("time", follow=True),
    "watch_workloads": lambda manager: manager.watch_workloads(),
}


async def seconds_to_close(stream: Any) -> float:
    """Close a stream in one task while another waits for the next thing; both have ended when this returns."""

    async def read() -> None:
        async for _ in stream:
            pass

    reading = asyncio.ensure_future(read())
    await asyncio.wait({reading}, timeout=0.1)
    assert not reading.done(), "the next thing is waited for"
    began = time.monotonic()
    await asyncio.ensure_future(stream.aclose())
    await reading
    return time.monotonic() - began
