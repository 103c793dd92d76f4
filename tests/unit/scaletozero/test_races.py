"""What happens at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading

import pytest
from tests.support.aio import run, until
from tests.support.idle import Gate, Toggler
from tests.support.waiting import wait_until

from workloads.errors import ControlFileError, ToggleError
from workloads.scaletozero import Backoff, DebouncedController, aio
from workloads.scaletozero.togglers import UnikraftToggler
from workloads.scaletozero.togglers.control_file import parse_reading


def test_a_hold_during_a_slow_enable_waits_for_it(subject):
    """S2Z-T42 acquire during in-flight E → waits for E, then D; never two toggler calls at once; final state awake."""
    hold = subject.acquire()
    gate = Gate()
    subject.toggler.plan("enable", gate)
    releasing = subject.begin("release", hold)
    assert gate.entered.wait(30)
    acquiring = subject.begin("acquire", "next")
    wait_until(lambda: subject.status().holds)
    assert [each.waiting for each in subject.status().holds] == [True]
    assert subject.toggler.calls == ["disable", "enable"]
    gate.open()
    acquiring.result()
    releasing.result()
    assert subject.toggler.calls == ["disable", "enable", "disable"]
    assert (subject.toggler.most_at_once, subject.toggler.asleep) == (1, False)


def test_an_enable_during_a_slow_disable_waits_for_it(subject):
    """S2Z-T43 release during in-flight D → E only after D."""
    gate = Gate()
    subject.toggler.plan("disable", gate)
    disabling = subject.begin("disable")
    assert gate.entered.wait(30)
    enabling = subject.begin("enable")
    wait_until(lambda: not subject.status().disables)
    assert subject.toggler.calls == ["disable"]
    gate.open()
    disabling.result()
    enabling.result()
    assert subject.toggler.calls == ["disable", "enable"]
    assert subject.toggler.most_at_once == 1


class Flaky(Toggler):
    """A toggler of a real control file that often fails, before or after it has done what it was told."""

    def __init__(self, inner: UnikraftToggler, seed: int) -> None:
        super().__init__()
        self._inner = inner
        self._chance = random.Random(seed)

    def _run(self, verb: str) -> None:
        before, after = self._chance.random() < 0.2, verb == "disable" and self._chance.random() < 0.2
        if before:
            self.plans[verb].append(ControlFileError(self._inner._file.path, "fails"))
        super()._run(verb)
        getattr(self._inner, verb)()
        if after:
            raise OSError("it is done, and fails all the same")


@pytest.fixture
def flaky(tmp_path):
    path = tmp_path / "control"
    path.write_text("=3")
    return Flaky(UnikraftToggler(path, mode="append"), seed=7)


def forbidden(toggler: Flaky) -> bool:
    return parse_reading(toggler._inner._file.path.read_bytes()).pending == 4


def test_threads_with_a_toggler_that_fails_leave_the_count_as_it_was(flaky):
    """Never asleep while somebody holds; never two calls at once; in the end the count is what it was."""
    asleep: list[str] = []
    with DebouncedController(flaky, cooldown=0.001, backoff=Backoff(first=0.001, longest=0.01)) as controller:

        def work(number: int) -> None:
            chance = random.Random(number)
            for _ in range(40):
                with contextlib.suppress(ToggleError):
                    if chance.random() < 0.5:
                        with controller.hold(str(number), timeout=5):
                            if not forbidden(flaky):
                                asleep.append("hold")
                    else:
                        controller.disable(str(number))
                        if not forbidden(flaky):
                            asleep.append("disable")
                        controller.enable(str(number))
            with contextlib.suppress(ToggleError):
                controller.enable(str(number))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wait_until(lambda: controller.status().sleep == "allowed")
    assert asleep == []
    assert flaky.most_at_once == 1
    assert not forbidden(flaky)


def test_tasks_that_are_cancelled_leave_the_count_as_it_was(flaky):
    """The same on asyncio, where most tasks are cancelled somewhere."""
    asleep: list[str] = []

    async def work(controller, number: int) -> None:
        with contextlib.suppress(ToggleError, TimeoutError):
            async with asyncio.timeout(random.Random(number).random() / 50), controller.hold(str(number)):
                if not forbidden(flaky):
                    asleep.append("hold")
                await controller.disable(str(number % 5))
                if not forbidden(flaky):
                    asleep.append("disable")
                await asyncio.sleep(0.001)
        with contextlib.suppress(ToggleError):
            await controller.enable(str(number % 5))

    async def body() -> None:
        backoff = Backoff(first=0.001, longest=0.01)
        async with aio.DebouncedController(aio.to_async_toggler(flaky), cooldown=0.001, backoff=backoff) as controller:
            for start in range(0, 100, 10):
                await asyncio.gather(*(work(controller, number) for number in range(start, start + 10)))
            assert controller.status().holds == ()
            for number in range(5):
                with contextlib.suppress(ToggleError):
                    await controller.enable(str(number))
            await until(lambda: controller.status().sleep == "allowed")

    run(body())
    assert asleep == []
    assert flaky.most_at_once == 1
    assert not forbidden(flaky)
