"""Asking the control routes of a proxy runner, and reading what it tells."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.raw_http import RawClient, raw_client

from workloads._core.unix_sockets import short_address

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw_http import Message


@asynccontextmanager
async def unix_client(path: Path):
    """A connection to a Unix socket."""
    with short_address(path) as address:
        reader, writer = await asyncio.open_unix_connection(address, limit=2**24)
    client = RawClient(reader, writer, 0)
    try:
        yield client
    finally:
        client.close()


async def scrape(url: str, *headers: tuple[str, str]) -> Message:
    """``GET /metrics`` of a runner, by its ``control_url``."""
    kind, _, where = url.partition(":")
    opened = unix_client(where) if kind == "unix" else raw_client(int(url.rpartition(":")[2]))
    async with opened as client:
        return await client.ask("GET", "/metrics", *headers)


def values(text: bytes) -> dict[str, float]:
    """Every value, by its name and its labels other than the workload, such as ``requests_total GET 200``."""
    from prometheus_client.parser import text_string_to_metric_families

    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name != "workload"]
            found[" ".join([sample.name.removeprefix("workloads_proxy_"), *labels])] = sample.value
    return found
