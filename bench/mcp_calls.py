"""How many tool calls pass through a proxy runner, beside FastMCP's own proxy in front of the same server.

A FastMCP server adds two numbers. Sixteen clients of the MCP SDK call it without a pause: straight, through a proxy
runner, and through ``fastmcp.server.create_proxy``, in interleaved rounds of one run. Server, proxy and clients are
processes of their own, and new ones each time: what memory two processes of one program happen to get makes more of a
difference than what is measured here.

Run it with ``python -m bench mcp_calls``.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report
from bench.roles import role, route, serve, standard_input

if TYPE_CHECKING:
    from bench.roles import Process

GOAL = 5.0
"""How many times as many calls as through FastMCP's proxy."""
SHARE = 0.8
"""The least share of the calls that reach the server without a proxy."""
MICROS = 600.0
"""The greatest CPU time of the proxy, a call."""

CLIENTS = 16
WARM = 3
"""Calls of each client before any is counted."""
SECONDS = 2.0
STRAIGHT, OURS, THEIRS = "straight to the server", "through the proxy runner", "through FastMCP's proxy"
_PROXIES = {OURS: "ours", THEIRS: "theirs"}


@dataclass
class Round:
    """One way, measured once.

    Attributes:
        rate: Calls a second.
        wait: Milliseconds that half of the calls took at most.
        micros: CPU time of the proxy, or of the server where there is none, in microseconds a call.
    """

    rate: float
    wait: float
    micros: float


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure the three ways.

    Args:
        rounds: How often each is measured; at least seven times.
        seconds: How long each time.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    found: dict[str, list[Round]] = {STRAIGHT: [], OURS: [], THEIRS: []}
    for number in range(rounds):
        # What is compared runs side by side, each about as often first as second.
        for name in (STRAIGHT, OURS, THEIRS) if number % 2 else (OURS, STRAIGHT, THEIRS):
            found[name].append(_round(name, seconds))

    def median(name: str, what: str) -> float:
        return statistics.median(getattr(each, what) for each in found[name])

    rates = {name: median(name, "rate") for name in found}
    cpu = {name: median(name, "micros") for name in _PROXIES}
    higher: dict[str, Any] = {"higher_is_better": True, "steady": False}
    figures = [
        Figure("calls through ours, to straight", rates[OURS] / rates[STRAIGHT], "x", SHARE, **higher),
        Figure("CPU of ours, a call", cpu[OURS], "us", MICROS),
        Figure("calls through ours, to FastMCP's proxy", rates[OURS] / rates[THEIRS], "x", GOAL, **higher),
        Figure("CPU of FastMCP's proxy, to ours", cpu[THEIRS] / cpu[OURS], "x", GOAL, higher_is_better=True),
        *(Figure(f"calls, {name}", rate, "/s") for name, rate in rates.items()),
        *(Figure(f"median wait, {name}", median(name, "wait"), "ms") for name in found),
        Figure(f"CPU of a call, {THEIRS}", cpu[THEIRS], "us"),
    ]
    plot = {"title": f"Tool calls of {CLIENTS} clients", "values": rates, "unit": "calls/s"}
    return report("mcp calls", figures, plot=plot, rounds=rounds, seconds=seconds)


def _round(name: str, seconds: float) -> Round:
    """Call in one way, between processes that are started for it."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Process:
            return stack.enter_context(role(__name__, *arguments))

        asked = start("server")
        if name in _PROXIES:
            asked = start(_PROXIES[name], str(asked.port))
        clients = start("clients", str(asked.port))
        before = cpu_of_process(asked.pid)
        found = json.loads(clients.ask(json.dumps(seconds)))
        used = cpu_of_process(asked.pid) - before
    return Round(found["calls"] / seconds, found["p50"] * 1e3, used / found["calls"] * 1e6)


async def _serve() -> None:
    from fastmcp import FastMCP

    server: Any = FastMCP("bench")

    @server.tool
    def add(a: int, b: int) -> int:
        return a + b

    await serve(server.http_app(), "on")


async def _serve_their_proxy(port: int) -> None:
    from fastmcp.server import create_proxy

    await serve(create_proxy(f"http://127.0.0.1:{port}/mcp").http_app(), "on")


async def _call(port: int) -> None:
    """Connect the clients; then, for each line of input, call for so many seconds and tell how it went."""
    from contextlib import AsyncExitStack

    from mcp import Client

    async with AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{port}/mcp"
        clients = [await stack.enter_async_context(Client(url)) for _ in range(CLIENTS)]
        for _ in range(WARM):
            await asyncio.gather(*map(_add, clients))
        print(CLIENTS, flush=True)
        lines = await standard_input()
        while line := await lines.readline():
            end = time.perf_counter() + json.loads(line)
            taken = [
                took for each in await asyncio.gather(*(_until(end, client) for client in clients)) for took in each
            ]
            print(json.dumps({"calls": len(taken), "p50": statistics.median(taken)}), flush=True)


async def _until(end: float, client: Any) -> list[float]:
    """The seconds that each call took which has ended in time."""
    taken = []
    while (began := time.perf_counter()) < end:
        await _add(client)
        if (now := time.perf_counter()) <= end or not taken:
            taken.append(now - began)
    return taken


async def _add(client: Any) -> None:
    result = await client.call_tool("add", {"a": 2, "b": 3})
    assert result.structured_content == {"result": 5}, result


if __name__ == "__main__":
    import logging

    import uvloop

    logging.disable(logging.WARNING)
    os.environ["FASTMCP_CHECK_FOR_UPDATES"] = "off"
    chosen, *given = sys.argv[1:]
    ports = [int(port) for port in given]
    roles = {
        "server": _serve,
        "ours": lambda: route(*ports),
        "theirs": lambda: _serve_their_proxy(*ports),
        "clients": lambda: _call(*ports),
    }
    uvloop.run(roles[chosen]())
