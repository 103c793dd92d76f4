"""What holding for each request takes, beside middleware that does nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.harness import ROUNDS, Figure, Sample, interleaved, report, timed
from workloads.scaletozero import DebouncedController, aio
from workloads.scaletozero.asgi import ScaleToZeroMiddleware
from workloads.scaletozero.togglers import NoopToggler

COUNT = 10_000
GOAL = 3.0
SCOPE = {"type": "http", "method": "GET", "path": "/page", "query_string": b"", "headers": []}


async def application(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class Nothing:
    """Middleware that only calls on."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


class Counting(NoopToggler):
    """A toggler that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.disables = self.enables = 0

    def disable(self) -> None:
        super().disable()
        self.disables += 1

    def enable(self) -> None:
        super().enable()
        self.enables += 1


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b""}


async def send(message: Any) -> None:
    pass


async def requests(app: Any) -> None:
    for _ in range(COUNT):
        await app(SCOPE, receive, send)


def per_request(sample: Sample) -> float:
    """Microseconds of CPU."""
    return sample.cpu / COUNT * 1e6


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure requests one after the other, each of which takes the only hold and gives it back."""
    toggles: list[Counting] = []

    def bare() -> Sample:
        with asyncio.Runner() as runner:
            return timed(lambda: runner.run(requests(Nothing(application))))

    def held(kind: str) -> Sample:
        toggles.append(Counting())
        with asyncio.Runner() as runner:
            if kind == "asyncio":
                controller: Any = aio.DebouncedController(aio.to_async_toggler(toggles[-1]))
                runner.run(wake(controller))
            else:
                controller = DebouncedController(toggles[-1])
                controller.acquire().release()
            sample = timed(lambda: runner.run(requests(ScaleToZeroMiddleware(application, controller))))
            runner.run(controller.close()) if kind == "asyncio" else controller.close()
        return sample

    taken = interleaved(
        {
            "no middleware's work": bare,
            "asyncio": lambda: held("asyncio"),
            "threads": lambda: held("threads"),
        },
        rounds,
    )
    us = {name: per_request(sample) for name, sample in taken.items()}
    return report(
        "scale to zero",
        [
            Figure(
                "CPU added to a request, asyncio", us["asyncio"] - us["no middleware's work"], "us", GOAL, steady=False
            ),
            Figure(
                "CPU added to a request, threads", us["threads"] - us["no middleware's work"], "us", GOAL, steady=False
            ),
            Figure(f"calls that forbid, of {COUNT:,} requests", max(each.disables for each in toggles), "calls", 1),
            Figure(f"calls that allow, of {COUNT:,} requests", max(each.enables for each in toggles), "calls", 1),
            *(Figure(f"CPU of a request, {name}", value, "us") for name, value in us.items()),
        ],
        plot={"title": "One request in process", "unit": "us", "values": us},
    )


async def wake(controller: Any) -> None:
    await controller.release(await controller.acquire())
