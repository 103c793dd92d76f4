"""Decoding a run config against plain cattrs with orjson.

The baseline has attrs classes of the same shape, made here without our strictness, a plain ``cattrs.Converter`` and
``orjson``: it coerces silently, drops unknown keys, and keeps neither order nor number literals. Both decode the same
document with 40 fields, among them six nested objects, an enum and a literal, in interleaved rounds, measured in CPU
time. Both are warm, and decode it again and again, as a manager does that lists the same workloads.

Run it with ``python bench/decode.py [--rounds N] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import cattrs
import orjson

from workloads.config import RunConfig
from workloads.config._kinds import Form, class_named
from workloads.config._shape import Field, shape_of
from workloads.model import TransportType

LIMIT = 1.5
"""The most that strictness and keeping everything may cost."""

DOCUMENT: dict[str, Any] = {
    "schema_version": "v0.1.0",
    "mcpserver_generation": 7,
    "image": "registry.example.org/mcp/notes-search:2.4.1",
    "registry_api_url": "https://registry.example.org/api",
    "registry_url": "https://registry.example.org/index.json",
    "registry_server_name": "notes-search",
    "cmd_args": ["--index", "/data/index", "--read-only"],
    "name": "notes-search",
    "container_name": "notes-search",
    "base_name": "notes-search",
    "transport": "streamable-http",
    "host": "127.0.0.1",
    "port": 41733,
    "target_port": 8080,
    "target_host": "127.0.0.1",
    "allowed_origins": ["http://localhost:41733"],
    "publish": ["19090:9090"],
    "permission_profile_name_or_path": "network",
    "permission_profile": {
        "name": "notes-search",
        "read": ["/home/ana/notes:/data/notes"],
        "write": ["/home/ana/.cache/notes-index:/data/index"],
        "network": {
            "outbound": {"allow_host": ["api.example.org"], "allow_port": [443]},
            "inbound": {"allow_host": ["localhost"]},
        },
    },
    "env_vars": {"LOG_LEVEL": "info", "MCP_TRANSPORT": "streamable-http", "MCP_PORT": "8080", "MCP_HOST": "0.0.0.0"},
    "env_file_dir": "/etc/notes/env",
    "debug": True,
    "volumes": ["/home/ana/notes:/data/notes:ro", "/home/ana/.cache/notes-index:/data/index"],
    "container_labels": {
        "toolhive": "true",
        "toolhive-name": "notes-search",
        "toolhive-basename": "notes-search",
        "toolhive-transport": "streamable-http",
        "toolhive-port": "41733",
        "team": "research",
    },
    "secrets": ["notes_api_key,target=NOTES_API_KEY"],
    "isolate_network": True,
    "trust_proxy_headers": True,
    "stateless": True,
    "session_ttl": "90m",
    "proxy_mode": "streamable-http",
    "group": "research",
    "tools_filter": ["find", "read_note"],
    "strict_protocol_validation": True,
    "endpoint_prefix": "/notes",
    "scaling_config": {
        "backend_replicas": 3,
        "session_redis": {"address": "redis.mcp.svc:6379", "db": 2, "key_prefix": "thv:proxy:session:notes-search:"},
    },
    "session_cache_size": 500,
    "command": ["notes-search"],
    "idle_timeout": "10m",
    "sleep_mode": "suspend",
    "memory": "512m",
}

NESTED_DOCUMENT: dict[str, Any] = DOCUMENT | {
    "telemetry_config": {"endpoint": "otel.example.org:4317", "tracingEnabled": True, "metricsEnabled": False},
    "tools_override": {"search_notes": {"name": "find", "description": "Search the notes index"}},
    "ignore_config": {"LoadGlobal": True, "PrintOverlays": False},
    "middleware_configs": [
        {"type": "bodylimit", "parameters": {"max_bytes": 8388608}},
        {"type": "tool-filter", "parameters": {"filter_tools": ["find", "read_note"]}},
        {"type": "mcp-parser", "parameters": {}},
    ],
    "runtime_config": {"builder_image": "python:3.13-slim", "additional_packages": ["git"]},
}


def measure(rounds: int = 9) -> dict[str, Any]:
    """Measure both decoders.

    Args:
        rounds: How often each is measured, in turns.

    Returns:
        ``ours_us`` and ``baseline_us`` (median CPU microseconds per document), ``ratio`` (the median of the rounds'
        own ratios), ``limit``, ``fields`` and ``rounds``; under ``nested`` the same three figures, only told, for a
        document with twice as many objects.
    """
    plain = _plain_class(RunConfig, {})
    return {
        "fields": len(DOCUMENT),
        "rounds": rounds,
        "limit": LIMIT,
        **_compare(DOCUMENT, plain, rounds),
        "nested": _compare(NESTED_DOCUMENT, plain, rounds),
    }


def _compare(document: dict[str, Any], plain: type[Any], rounds: int) -> dict[str, float]:
    text = json.dumps(document, indent=2).encode()
    converter = cattrs.Converter()
    loads = orjson.loads

    def ours() -> object:
        return RunConfig.from_json(text)

    def baseline() -> object:
        return converter.structure(loads(text), plain)

    calls = _calibrate(baseline)
    ours_times: list[float] = []
    baseline_times: list[float] = []
    for turn in range(rounds):
        # Each goes first in every other round, so that neither has a warmer cache.
        order = ((ours, ours_times), (baseline, baseline_times))
        for decode, times in order if turn % 2 else reversed(order):
            times.append(_cpu_microseconds(decode, calls))
    return {
        "ours_us": round(statistics.median(ours_times), 2),
        "baseline_us": round(statistics.median(baseline_times), 2),
        "ratio": round(statistics.median(a / b for a, b in zip(ours_times, baseline_times, strict=True)), 3),
    }


def _cpu_microseconds(call: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls * 1e6


def _calibrate(call: Callable[[], object]) -> int:
    """How many calls take about a tenth of a second; warms up as well."""
    return max(1, int(1e5 / _cpu_microseconds(call, 200)))


def _plain_class(cls: type[Any], made: dict[type[Any], type[Any]]) -> type[Any]:
    if cls not in made:
        fields = {field.wire: _plain_field(field, made) for field in shape_of(cls).fields}
        made[cls] = attrs.make_class(f"Plain{cls.__name__}", fields, frozen=True, slots=True, kw_only=True)
    return made[cls]


def _plain_field(field: Field, made: dict[type[Any], type[Any]]) -> Any:
    kind = field.kind
    of: Any = _plain_class(class_named(kind.of), made) if kind.of else None
    types: dict[Form, Any] = {
        Form.PLAIN: int | None if field.default is None else type(field.default),
        Form.ENUM: TransportType,
        Form.LIST: tuple[int, ...] if field.wire == "allow_port" else tuple[str, ...],
        Form.MAP: dict[str, str],
        Form.TREE: Any,
        Form.OBJECT: of | None if of else None,
        Form.OBJECTS: tuple[of, ...],
        Form.OBJECT_MAP: dict[str, of],
    }
    if field.default is attrs.NOTHING:
        return attrs.field(type=str)
    if isinstance(field.default, Mapping):
        return attrs.field(type=types[kind.form], factory=dict)
    return attrs.field(type=types[kind.form], default=field.default)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=re.split(r"\n\n", __doc__ or "")[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each, at least 7 (default: 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    figures = measure(max(7, options.rounds))
    if options.json:
        print(json.dumps(figures))
        return
    nested = figures["nested"]
    print(f"decode a run config of {figures['fields']} fields, CPU time, median of {figures['rounds']} rounds")
    print(f"{'':18}{'40 fields':>12}{'more nested':>14}")
    print(f"  workloads       {figures['ours_us']:9.1f} us{nested['ours_us']:11.1f} us")
    print(f"  cattrs + orjson {figures['baseline_us']:9.1f} us{nested['baseline_us']:11.1f} us")
    print(
        f"  ratio           {figures['ratio']:9.2f}   {nested['ratio']:11.2f}      (first: at most {figures['limit']})"
    )


if __name__ == "__main__":
    main()
