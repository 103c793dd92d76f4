"""How many tool calls pass through a proxy runner, beside FastMCP's own proxy in front of the same server.

A FastMCP server adds two numbers. Sixteen clients of the MCP SDK call it without a pause: straight, through a proxy
runner, and through ``fastmcp.server.create_proxy``, in interleaved rounds of one run. Servers, proxies and clients are
processes of their own, and clients stay connected from one round to the next.

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
from typing import Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report
from bench.roles import Process, role, route, serve, standard_input

GOAL = 5.0
"""How many times as many calls as through FastMCP's proxy."""
SHARE = 0.8
"""The least share of the calls that reach the server without a proxy."""
MICROS = 600.0
"""The greatest CPU time of the proxy, a call."""

CLIENTS = 16
SECONDS = 2.0
STRAIGHT, OURS, THEIRS = "straight to the server", "through the proxy runner", "through FastMCP's proxy"


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure the three ways.

    Args:
        rounds: How many rounds count, at least seven.
        seconds: How long each of the three runs of a round takes.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    rates: dict[str, list[float]] = {STRAIGHT: [], OURS: [], THEIRS: []}
    micros: dict[str, list[float]] = {OURS: [], THEIRS: []}
    waits: dict[str, list[float]] = {STRAIGHT: [], OURS: [], THEIRS: []}
    with ExitStack() as stack:

        def start(*arguments: str) -> Process:
            return stack.enter_context(role(__name__, *arguments))

        server = start("server")
        proxies = {OURS: start("ours", str(server.port)), THEIRS: start("theirs", str(server.port))}
        ways = {STRAIGHT: server, **proxies}
        clients = {name: start("clients", str(process.port)) for name, process in ways.items()}
        for number in range(rounds):
            names = list(ways) if number % 2 else list(reversed(ways))
            for name in names:
                before = cpu_of_process(ways[name].pid)
                found = json.loads(clients[name].ask(str(seconds)))
                rates[name].append(found["calls"] / seconds)
                waits[name].append(found["p50"] * 1e3)
                if name in proxies:
                    micros[name].append((cpu_of_process(ways[name].pid) - before) / found["calls"] * 1e6)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    cpu = {name: statistics.median(values) for name, values in micros.items()}
    gain = statistics.median(ours / theirs for ours, theirs in zip(rates[OURS], rates[THEIRS], strict=True))
    share = statistics.median(ours / straight for ours, straight in zip(rates[OURS], rates[STRAIGHT], strict=True))
    higher: dict[str, Any] = {"higher_is_better": True, "steady": False}
    figures = [
        Figure("calls through ours, to straight", share, "x", SHARE, **higher),
        Figure("CPU of ours, a call", cpu[OURS], "us", MICROS),
        Figure("calls through ours, to FastMCP's proxy", gain, "x", GOAL, **higher),
        Figure("CPU of FastMCP's proxy, to ours", cpu[THEIRS] / cpu[OURS], "x", GOAL, higher_is_better=True),
        *(Figure(f"calls, {name}", value, "/s") for name, value in medians.items()),
        *(Figure(f"median wait, {name}", statistics.median(values), "ms") for name, values in waits.items()),
        Figure(f"CPU of a call, {THEIRS}", cpu[THEIRS], "us"),
    ]
    plot = {"title": f"Tool calls of {CLIENTS} clients", "values": medians, "unit": "calls/s"}
    return report("mcp calls", figures, plot=plot, rounds=rounds, seconds=seconds)


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
        clients = [await stack.enter_async_context(Client(f"http://127.0.0.1:{port}/mcp")) for _ in range(CLIENTS)]
        await asyncio.gather(*(_add(client) for client in clients))
        print(len(clients), flush=True)
        lines = await standard_input()
        while line := await lines.readline():
            end = time.perf_counter() + float(line)
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
    chosen, *ports = sys.argv[1:]
    (port,) = map(int, ports or ["0"])
    roles = {
        "server": _serve,
        "ours": lambda: route(port),
        "theirs": lambda: _serve_their_proxy(port),
        "clients": lambda: _call(port),
    }
    uvloop.run(roles[chosen]())
