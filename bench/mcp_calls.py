"""How many tool calls pass through a proxy runner, beside FastMCP's own proxy in front of the same server.

A FastMCP server adds two numbers. Sixteen clients of the MCP SDK call it without a pause: straight, through a proxy
runner, and through ``fastmcp.server.create_proxy``, in interleaved rounds of one run. Servers, proxies and clients are
processes of their own, and clients stay connected from one round to the next. The clients of all three ways are one
process: two processes that run the same program differ by more than what is measured here.

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
LAUNCHES = 4
"""How often all processes are started anew: what they happen to get of the memory makes more of a difference than what
is measured here."""
SECONDS = 1.0
STRAIGHT, OURS, THEIRS = "straight to the server", "through the proxy runner", "through FastMCP's proxy"


def measure(launches: int = LAUNCHES, rounds: int = 3, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure the three ways.

    Args:
        launches: How often the processes are started.
        rounds: How many rounds each launch has; at least seven in all.
        seconds: How long each of the three runs of a round takes.
    """
    if launches * rounds < ROUNDS:
        raise ValueError(f"{launches * rounds} rounds: a median of fewer than {ROUNDS} says little")
    rates: dict[str, list[float]] = {STRAIGHT: [], OURS: [], THEIRS: []}
    micros: dict[str, list[float]] = {OURS: [], THEIRS: []}
    waits: dict[str, list[float]] = {STRAIGHT: [], OURS: [], THEIRS: []}
    for _ in range(launches):
        with ExitStack() as stack:
            processes, clients = _launch(stack)
            for number in range(rounds):
                # What is compared runs side by side, each about as often first as second.
                names = (STRAIGHT, OURS, THEIRS) if number % 2 else (OURS, STRAIGHT, THEIRS)
                for name in names:
                    before = cpu_of_process(processes[name].pid)
                    found = json.loads(clients.ask(json.dumps([processes[name].port, seconds])))
                    rates[name].append(found["calls"] / seconds)
                    waits[name].append(found["p50"] * 1e3)
                    if name in micros:
                        used = cpu_of_process(processes[name].pid) - before
                        micros[name].append(used / found["calls"] * 1e6)
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
    return report("mcp calls", figures, plot=plot, launches=launches, rounds=rounds, seconds=seconds)


def _launch(stack: ExitStack) -> tuple[dict[str, Process], Process]:
    """What is called on each way, and who calls, until the stack ends."""

    def start(*arguments: str) -> Process:
        return stack.enter_context(role(__name__, *arguments))

    server = start("server")
    processes = {
        STRAIGHT: server, OURS: start("ours", str(server.port)), THEIRS: start("theirs", str(server.port))
    }  # fmt: skip
    return processes, start("clients", *(str(process.port) for process in processes.values()))


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


async def _call(ports: list[int]) -> None:
    """Connect as many clients to each port; then, for each line of input, call one port for so many seconds and tell
    how it went."""
    from contextlib import AsyncExitStack

    from mcp import Client

    async with AsyncExitStack() as stack:
        # In turn: connected one way after the other, the last one had 2 % fewer calls to the same server.
        clients: dict[int, list[Any]] = {port: [] for port in ports}
        for port in ports * CLIENTS:
            clients[port].append(await stack.enter_async_context(Client(f"http://127.0.0.1:{port}/mcp")))
        await asyncio.gather(*(_add(client) for each in clients.values() for client in each))
        print(CLIENTS, flush=True)
        lines = await standard_input()
        while line := await lines.readline():
            port, seconds = json.loads(line)
            # While another way was measured, connections may have been idle for too long.
            await asyncio.gather(*(_add(client) for client in clients[port]))
            end = time.perf_counter() + seconds
            taken = [
                took
                for each in await asyncio.gather(*(_until(end, client) for client in clients[port]))
                for took in each
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
        "clients": lambda: _call(ports),
    }
    uvloop.run(roles[chosen]())
