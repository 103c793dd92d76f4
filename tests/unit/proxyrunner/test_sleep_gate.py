"""The gate that wakes what is behind it, and tells who keeps it awake."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.virtual_time import clock, run, settle

from workloads.errors import WorkloadFailedError
from workloads.proxyrunner.exchanges import Exchanges
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.link import TooSlowError
from workloads.proxyrunner.sleep_gate import SleepGate
from workloads.scaletozero.aio import DebouncedController

IDLE = 60.0


class Bed:
    """A toggler of a server that takes a while to wake; its gate opens when it is told to, or not at all."""

    def __init__(self, *, error: Exception | None = None, takes: float = 1.0, **bounds: int) -> None:
        self.calls: list[str] = []
        self.error = error
        self.takes = takes
        self.exchanges = Exchanges()
        self.controller = DebouncedController(self, cooldown=IDLE, clock=clock, toggle_timeout=1000)
        self.gate: SleepGate[str] = SleepGate(self.controller, self.exchanges, **bounds)

    async def disable(self) -> None:
        self.calls.append("wake")
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        self.gate.open("server")

    async def enable(self) -> None:
        self.calls.append("sleep")
        self.gate.shut()

    async def request(self, seconds: float = 0.0, *, size: int = 0) -> str:
        """A request that takes so long once it has passed."""
        self.exchanges.begin()
        try:
            target = self.gate.now() or await self.gate.enter(100, size=size)
            await asyncio.sleep(seconds)
            return target
        finally:
            self.exchanges.end()

    @property
    def holders(self) -> list[str]:
        return [hold.owner for hold in self.controller.status().holds]


def test_requests_that_wait_for_one_wake_pass_in_the_order_in_which_they_came():
    """S2Z-T65: 100 simultaneous first requests -> 1 wake call, all forwarded in order of arrival after readiness."""

    async def body():
        bed = Bed()
        passed: list[int] = []

        async def numbered(number: int) -> None:
            await bed.request()
            passed.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(numbered(number))
        assert bed.calls == ["wake"]
        assert passed == list(range(100))
        await bed.controller.close()

    run(body())


@pytest.mark.parametrize(("bounds", "size"), [({"max_held": 2}, 1), ({"max_bytes": 10}, 5)])
def test_more_than_may_wait_are_refused_at_once(bounds, size):
    """S2Z-T65: queue limit -> 503 + Retry-After."""

    async def body():
        bed = Bed(**bounds)
        waiting = [asyncio.create_task(bed.request(size=size)) for _ in range(2)]
        await settle()
        with pytest.raises(UnavailableError, match="too many requests wait"):
            await bed.request(size=size)
        assert await asyncio.gather(*waiting) == ["server", "server"]
        await bed.controller.close()

    run(body())


def test_one_hold_lasts_as_long_as_any_exchange_and_then_the_server_sleeps():
    async def body():
        bed = Bed()
        await asyncio.gather(bed.request(10), bed.request(500))
        assert (clock(), bed.calls, bed.holders) == (501.0, ["wake"], [])
        await asyncio.sleep(IDLE - 1)
        await bed.request()
        await asyncio.sleep(IDLE - 1)
        assert bed.calls == ["wake"]
        await asyncio.sleep(2)
        assert bed.calls == ["wake", "sleep"]
        assert bed.gate.now() is None
        await bed.controller.close()

    run(body())


def test_an_open_stream_is_use():
    async def body():
        bed = Bed()
        bed.exchanges.begin()
        await bed.gate.enter()
        with bed.exchanges.stream(lambda: None):
            await asyncio.sleep(100 * IDLE)
            assert (bed.calls, bed.holders) == (["wake"], ["clients"])
        bed.exchanges.end()
        assert bed.holders == []
        await bed.controller.close()

    run(body())


def test_an_exchange_that_does_not_come_to_the_gate_is_no_use():
    async def body():
        bed = Bed()
        await bed.request()
        bed.exchanges.begin()
        await asyncio.sleep(2 * IDLE)
        assert bed.calls == ["wake", "sleep"]
        bed.exchanges.end()
        await bed.controller.close()

    run(body())


@pytest.mark.parametrize(
    ("error", "text", "late"),
    [
        (WorkloadFailedError("w", "exited with code 3", logs=["a log"]), ": exited with code 3", False),
        (TooSlowError("w", "not ready after 5 s"), ": not ready after 5 s", True),
        (OSError("/a/path"), "", False),
    ],
)
def test_all_who_wait_get_the_same_error_without_logs_or_paths(error, text, late):
    """S2Z-T66: wake fails -> every waiter gets the same error once."""

    async def body():
        bed = Bed(error=error)
        outcomes = await asyncio.gather(*(bed.request() for _ in range(5)), return_exceptions=True)
        assert {(str(each), each.late) for each in outcomes} == {(f"The server could not be woken{text}", late)}
        assert (bed.calls, bed.holders) == (["wake"], [])
        await bed.controller.close()

    run(body())


def test_whoever_leaves_does_not_end_the_wake_and_holds_nothing():
    """S2Z-T66: waiter that disconnects does not cancel the wake for the others."""

    async def body():
        bed = Bed()
        first, second = (asyncio.create_task(bed.request(5)) for _ in range(2))
        await settle()
        first.cancel()
        assert await second == "server"
        assert (bed.calls, bed.holders) == (["wake"], [])
        await bed.controller.close()

    run(body())


def test_the_end_of_the_proxy_is_told_to_who_waits():
    async def body():
        bed = Bed(takes=1000)
        waiting = asyncio.create_task(bed.request())
        await settle()
        bed.gate.refuse("The proxy is shutting down", ending=True)
        await bed.controller.close(policy="leave")
        with pytest.raises(UnavailableError, match="shutting down") as caught:
            await waiting
        assert caught.value.ending

    run(body())
