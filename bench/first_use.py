"""What it takes to describe a workload and to hold a manager, in a fresh interpreter, beside ``import attrs``."""

from __future__ import annotations

from typing import Any

from bench.harness import ROUNDS, Figure, fresh_interpreter, interleaved, modules_loaded, report

GOAL = 2.5
SUBJECTS = {
    "bare interpreter": "pass",
    "import attrs": "import attrs",
    "import workloads": "import workloads",
    "a run config": "from workloads import RunConfig; RunConfig(name='time', image='uvx://mcp-server-time')",
    "a run config and a manager": (
        "from workloads import RunConfig, new_manager;"
        "RunConfig(name='time', image='uvx://mcp-server-time'); new_manager('process')"
    ),
}
SDKS = {
    "aiohttp", "anyio", "docker", "etcd3gw", "fastmcp", "grpc", "httpx", "kubernetes", "mcp", "pydantic", "redis",
    "requests", "starlette", "uvicorn",
}  # fmt: skip


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure, and tell the ratios to ``import attrs``, by CPU time and by the clock."""
    subjects = {name: _subject(code) for name, code in SUBJECTS.items()}
    taken = interleaved(subjects, rounds)
    base, attrs, ours = (taken[name] for name in ("bare interpreter", "import attrs", "a run config and a manager"))
    loaded = modules_loaded(SUBJECTS["a run config and a manager"])
    figures = [
        Figure("CPU, ours to import attrs", ours.cpu / attrs.cpu, "x", GOAL),
        Figure("wall, ours to import attrs", ours.wall / attrs.wall, "x", GOAL, steady=False),
        Figure("CPU, both less a bare start", (ours.cpu - base.cpu) / (attrs.cpu - base.cpu), "x"),
        Figure("SDK modules loaded", len(SDKS & loaded), "modules", 0),
        Figure("own modules loaded", sum(name.startswith("workloads") for name in loaded), "modules"),
        *(Figure(f"wall, {name}", sample.wall * 1000, "ms", steady=False) for name, sample in taken.items()),
    ]
    return report(
        "first use",
        figures,
        plot={
            "title": "From nothing, by the clock",
            "unit": "ms",
            "values": {k: v.wall * 1000 for k, v in taken.items()},
        },
    )


def _subject(code: str):
    return lambda: fresh_interpreter(code)
