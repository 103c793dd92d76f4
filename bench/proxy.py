"""How many requests pass through a proxy runner, beside how many the server behind it answers without one.

A server (uvicorn, httptools and uvloop, a bare application) answers POSTs of 200 bytes with 200 bytes, or with a
mebibyte in parts. wrk keeps 32 connections busy, first straight to the server, then through a proxy runner, in
interleaved rounds; then requests come at a steady rate, whose answers are timed. The proxy does with each request all
that it can: it checks where it comes from, looks up the session in the store to find its server, counts it, and writes
it down. Server, proxy and load generator are processes of their own; on a small machine they share its processors, so
the CPU time that the proxy spends on a request tells more than the throughput.

Run it with ``python -m bench proxy``.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from bench.harness import ROUNDS, Figure, cpu_of_process, report
from bench.proxy_roles import CONNECTIONS, LARGE_PATH, PATH, ROLES, at_rate, wrk
from bench.roles import Process, role

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.40
"""The least share of the server's own throughput that passes through the proxy."""
LARGE_SHARE = 0.6
"""The same of answers of a mebibyte, passed on part by part."""
LARGE_COST = 1 / LARGE_SHARE
"""The greatest CPU time of the proxy for such an answer, to that of the server. Each has one processor at most: with
more the proxy could not keep up."""
MICROS = 110.0
"""The greatest CPU time of the proxy, a request."""
ADDED_P50, ADDED_P90 = 0.5, 2.0
"""Milliseconds that the proxy may add to half, and to nine in ten, of the answers at a steady rate."""

RATE = 2000
SECONDS = 2.0


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure both ways.

    Args:
        rounds: How many rounds count, at least seven.
        seconds: How long each run of a round takes.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    found: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        found.setdefault(what, []).append(value)

    with role(ROLES, "serve") as serving, role(ROLES, "busy_proxy", str(serving.port)) as proxying:
        server, proxy, pid = serving.port, proxying.port, proxying.pid
        for port in (server, proxy):
            wrk(port, PATH, 1)
        for _ in range(rounds):
            _small(server, proxy, pid, seconds, note)
            _large(serving, proxying, seconds, note)
            straight_at, through_at = (at_rate(port, RATE, seconds) for port in (server, proxy))
            for quantile in ("p50", "p90"):
                note(f"added {quantile}", (through_at[quantile] - straight_at[quantile]) * 1e3)
    median = {what: statistics.median(values) for what, values in found.items()}
    higher: dict[str, Any] = {"higher_is_better": True, "steady": False}
    figures = [
        # Of so little work the wait of one process more for a processor takes a quarter where others compute too.
        Figure("small requests through the proxy, to straight", median["share"], "x", SHARE, **higher, gates=False),
        # Processors that others use too have cold caches, so this is steady only where nobody else is.
        Figure("CPU of the proxy, a small request", median["micros"], "us", MICROS, steady=False),
        Figure("answers of 1 MiB through the proxy, to straight", median["large share"], "x", LARGE_SHARE, **higher),
        Figure("CPU of the proxy, an answer of 1 MiB", median["large micros"], "us"),
        Figure("CPU of the proxy, to the server's", median["large cost"], "x", LARGE_COST, steady=False),
        Figure(f"added at {RATE}/s, median", median["added p50"], "ms", ADDED_P50, steady=False, gates=False),
        Figure(f"added at {RATE}/s, 90th percentile", median["added p90"], "ms", ADDED_P90, steady=False, gates=False),
        Figure("straight to the server", median["straight"], "/s"),
        Figure("through the proxy", median["through"], "/s"),
    ]
    values = {"straight to the server": median["straight"], "through the proxy": median["through"]}
    plot = {"title": f"POSTs over {CONNECTIONS} connections", "values": values, "unit": "requests/s"}
    return report("proxy", figures, plot=plot, rounds=rounds, seconds=seconds, samples=found)


def _large(serving: Process, proxying: Process, seconds: float, note: Callable[[str, float], None]) -> None:
    straight = wrk(serving.port, LARGE_PATH, seconds)
    before = cpu_of_process(serving.pid), cpu_of_process(proxying.pid)
    through = wrk(proxying.port, LARGE_PATH, seconds)
    server, proxy = cpu_of_process(serving.pid) - before[0], cpu_of_process(proxying.pid) - before[1]
    note("large share", through["rate"] / straight["rate"])
    note("large micros", proxy / through["requests"] * 1e6)
    note("large cost", proxy / server)


def _small(server: int, proxy: int, pid: int, seconds: float, note: Any) -> None:
    straight = wrk(server, PATH, seconds)
    before = cpu_of_process(pid)
    through = wrk(proxy, PATH, seconds)
    note("micros", (cpu_of_process(pid) - before) / through["requests"] * 1e6)
    note("straight", straight["rate"])
    note("through", through["rate"])
    note("share", through["rate"] / straight["rate"])
