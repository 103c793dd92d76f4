"""``python -m workloads.runtimes.container.gateway ROLE SETTINGS``: runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from workloads.runtimes.container.gateway.door import Door
from workloads.runtimes.container.gateway.egress import Egress
from workloads.runtimes.container.gateway.names import Resolver, default_gateway, look_up
from workloads.runtimes.container.gateway.settings import EGRESS, FOLDER, READY, Settings, parse

_LOOKUPS = 8  # at a time: each takes a thread, of which a container has few


def main() -> None:
    """Run one of the two containers' programs."""
    if len(sys.argv) != 3:
        sys.exit("usage: ROLE SETTINGS")
    try:
        settings = parse(*sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        await _program(settings).open(stack)
        sys.stdout.buffer.write(READY + b"\n")
        sys.stdout.buffer.flush()
        await ended.wait()
        # Nobody waits for what is under way: the server behind it is gone, or about to go.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


def _program(settings: Settings) -> Egress | Door:
    folder = Path(FOLDER)
    if settings.role != EGRESS:
        return Door(settings, folder)
    engine = default_gateway(Path("/proc/net/route").read_text(encoding="ascii").splitlines())
    settings = settings._replace(policy=settings.policy._replace(engine=engine))
    return Egress(settings, Resolver(settings.policy, look_up), folder)


if __name__ == "__main__":
    main()
