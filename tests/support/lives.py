"""Workloads of the server that lives as it is told: it starts late, dies, or is never ready; and ones that sleep."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.raw_http import raw_client, request

from workloads import RunConfig
from workloads.model import WorkloadStatus
from workloads.proxyrunner import ProxyRunner

if TYPE_CHECKING:
    from tests.support.runners import Recorder

LIFE = Path(__file__).parents[1] / "servers" / "life.py"
BOTH = pytest.mark.parametrize("transport", ["streamable-http", "stdio"])
FREEZING = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
OPENING = request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "t", "version": "1"})


def living(transport: str = "streamable-http", life: dict | None = None, **fields: Any) -> RunConfig:
    """A run config of the server, which lives as told."""
    env = {"LIFE": json.dumps(life or {})}
    return RunConfig(
        **{"name": "life", "command": (sys.executable, str(LIFE)), "transport": transport, "env_vars": env, **fields}
    )


def sleeper(
    transport: str = "streamable-http",
    *,
    told: Recorder,
    life: dict | None = None,
    spoilt: Path | None = None,
    spoil: dict | None = None,
    stop_grace: float | None = None,
    control: Any = None,
    **fields: Any,
) -> ProxyRunner:
    """A runner of it that goes to sleep soon; once the file ``spoilt`` exists, its server lives as ``spoil`` says."""
    usual, other = (shlex.quote(json.dumps(each)) for each in (life or {}, spoil or {}))
    choice = f"if test -e {shlex.quote(str(spoilt))}; then LIFE={other}; else LIFE={usual}; fi"
    command = ("sh", "-c", f"{choice}; export LIFE; exec {sys.executable} {LIFE}")
    config = RunConfig(
        **{"name": "sleeper", "command": command, "transport": transport, "idle_timeout": "50ms", **fields}
    )
    return ProxyRunner(config, observer=told, stop_grace=stop_grace, control=control)


async def asleep(told: Recorder, times: int = 1) -> None:
    """Wait until it has gone to sleep so many times."""
    await told.until(lambda told: told.statuses.count((WorkloadStatus.RUNNING, "asleep")) >= times)


def seen(told: Recorder) -> list[str]:
    """The states that were told, without repetitions."""
    texts = [f"{status} {context}".strip() for status, context in told.statuses]
    return [text for before, text in zip(["", *texts], texts, strict=False) if text != before]


async def post(port: int, message: dict, *headers: tuple[str, str]) -> Any:
    """The answer to one message on a connection of its own."""
    async with raw_client(port) as client:
        return await client.post(message, *headers)


def state_of(pid: int) -> str:
    """The state of a process: ``T`` is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
