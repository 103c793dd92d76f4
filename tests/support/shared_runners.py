"""Several proxy runners in front of the same replicas, with what they remember in one Redis."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.raw_http import raw_client
from tests.support.runners import Recorder

from workloads import RunConfig
from workloads.config import ScalingConfig, SessionRedis
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner

if TYPE_CHECKING:
    from collections.abc import Sequence


def runner(redis: Any, replicas: Sequence[Any], **fields: Any) -> ProxyRunner:
    """A runner that routes to replicas: to whatever has an ``address``."""
    options = {name: fields.pop(name, None) for name in ("observer", "control")}
    scaling = ScalingConfig(session_redis=SessionRedis(address=f"127.0.0.1:{redis.port}"))
    config = RunConfig(**{"name": "shared", "transport": "streamable-http", "scaling_config": scaling, **fields})
    return ProxyRunner(config, replicas=[replica.address for replica in replicas], **options)


@asynccontextmanager
async def runners(redis: Any, replicas: Sequence[Any], count: int = 2, *, observer: Any = None, **fields: Any):
    """Several of them, to which all replicas are ready."""
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(count):
            told = observer or Recorder()
            started.append(await stack.enter_async_context(runner(redis, replicas, observer=told, **fields)))
            await told.until(lambda self: self.statuses[-1] == (WorkloadStatus.RUNNING, ""))
        yield started


@asynccontextmanager
async def clients(redis: Any, replicas: Sequence[Any], count: int = 2, **fields: Any):
    """A connection to each of them."""
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(runners(redis, replicas, count, **fields))
        yield [await stack.enter_async_context(raw_client(one.port)) for one in started]
