"""What only the controller for asyncio has to get right: cancellation, loops, its toggler."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.aio import run, until
from tests.support.idle import Toggler

from workloads.errors import ToggleError
from workloads.scaletozero import DebouncedController, FileDisableStore, aio


class AsyncToggler:
    """Remembers what it was told; waits when there is an event."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def disable(self) -> None:
        await self._call("disable")

    async def enable(self) -> None:
        await self._call("enable")

    async def _call(self, verb: str) -> None:
        self.calls.append(verb)
        self.begun.set()
        await self.go.wait()


def test_a_task_that_waits_for_anothers_call_and_is_cancelled_does_not_count():
    """S2Z-T39 task cancelled while waiting for someone else's D → its hold is not counted."""

    async def body() -> None:
        toggler = AsyncToggler()
        toggler.go.clear()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            first = asyncio.create_task(controller.acquire("first"))
            await toggler.begun.wait()
            second = asyncio.create_task(controller.acquire("second"))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            toggler.go.set()
            hold = await first
            assert [each.owner for each in controller.status().holds] == ["first"]
            await controller.release(hold)
            assert toggler.calls == ["disable", "enable"]

    run(body())


def test_a_task_whose_own_call_is_under_way_and_is_cancelled_leaves_nothing():
    """S2Z-T40 task cancelled while *its own* D is in flight → D completes, hold rolled back, E scheduled; no leak."""

    async def body() -> None:
        toggler = AsyncToggler()
        toggler.go.clear()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            task = asyncio.create_task(controller.acquire())
            await toggler.begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert controller.status().holds == ()
            assert toggler.calls == ["disable"]
            toggler.go.set()
            await until(lambda: toggler.calls == ["disable", "enable"])
        assert toggler.calls == ["disable", "enable"]

    run(body())


def test_a_release_is_carried_out_though_its_task_is_cancelled():
    """S2Z-T41 task cancelled inside release → release still completes."""

    async def body() -> None:
        toggler = AsyncToggler()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            hold = await controller.acquire()
            toggler.go.clear()
            toggler.begun.clear()
            task = asyncio.create_task(controller.release(hold))
            await toggler.begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not hold.live
            toggler.go.set()
            await until(lambda: controller.status().toggling is None)
            assert controller.status().sleep == "allowed"
        assert toggler.calls == ["disable", "enable"]

    run(body())


def test_a_hold_during_a_slow_enable_waits_and_disables_again():
    """S2Z-T42 acquire during in-flight E → waits for E, then D; never two toggler calls at once; final state awake."""

    async def body() -> None:
        toggler = AsyncToggler()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            hold = await controller.acquire()
            toggler.go.clear()
            toggler.begun.clear()
            releasing = asyncio.create_task(controller.release(hold))
            await toggler.begun.wait()
            acquiring = asyncio.create_task(controller.acquire("next"))
            await asyncio.sleep(0)
            assert toggler.calls == ["disable", "enable"]
            assert not acquiring.done()
            toggler.go.set()
            await acquiring
            await releasing
            assert toggler.calls == ["disable", "enable", "disable"]
            assert controller.status().sleep == "forbidden"

    run(body())


def test_a_release_during_a_slow_disable_enables_after_it():
    """S2Z-T43 release during in-flight D → E only after D."""

    async def body() -> None:
        toggler = AsyncToggler()
        toggler.go.clear()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            disabling = asyncio.create_task(controller.disable())
            await toggler.begun.wait()
            enabling = asyncio.create_task(controller.enable())
            await asyncio.sleep(0)
            assert toggler.calls == ["disable"]
            toggler.go.set()
            await disabling
            await enabling
            assert controller.status().sleep == "allowed"
            assert toggler.calls == ["disable", "enable"]

    run(body())


def test_another_loop_is_refused_and_a_closed_one_harmless():
    """S2Z-T44 event loop closed / different loop / called from thread → clear error or safe bridge; no deadlock."""

    async def hold(controller):
        return await controller.acquire()

    controller = None

    async def first() -> object:
        nonlocal controller
        controller = aio.DebouncedController(AsyncToggler())
        return await controller.acquire()

    held = run(first())
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        run(hold(controller))
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        run(controller.close())
    held.release()  # its loop is closed
    thread = threading.Thread(target=held.release)
    thread.start()
    thread.join()


def test_a_hold_is_released_from_another_thread():
    """S2Z-T44 ... safe bridge."""

    async def body() -> None:
        toggler = AsyncToggler()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            hold = await controller.acquire()
            thread = threading.Thread(target=hold.release)
            thread.start()
            await until(lambda: not hold.live)
            thread.join()
            await until(lambda: toggler.calls == ["disable", "enable"])

    run(body())


def test_a_toggler_that_awaits_its_own_controller_is_refused():
    """S2Z-T45 re-entrancy: toggler callback calls status()/acquire() → no deadlock."""
    seen: list[object] = []

    class Curious(AsyncToggler):
        async def enable(self) -> None:
            seen.append(controller.status().toggling)
            try:
                await controller.acquire()
            except RuntimeError as error:
                seen.append(str(error))
            await super().enable()

    async def body() -> None:
        nonlocal controller
        async with aio.DebouncedController(Curious(), cooldown=0) as controller:
            await controller.release(await controller.acquire())
            assert controller.status().holds == ()

    controller = None
    run(body())
    assert seen[0] == "enable"
    assert "a toggler cannot wait for its own controller" in seen[1]


def test_a_cancelled_disable_is_not_in_force():
    async def body() -> None:
        toggler = AsyncToggler()
        toggler.go.clear()
        async with aio.DebouncedController(toggler, cooldown=0) as controller:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(controller.disable(), 0.01)
            assert controller.status().disables == ()
            toggler.go.set()

    run(body())


class SlowStore(FileDisableStore):
    """A store whose disk takes its time to write a name."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.begun, self.go, self.done = threading.Event(), threading.Event(), threading.Event()

    def put(self, disable) -> None:
        self.begun.set()
        assert self.go.wait(30)
        super().put(disable)
        self.done.set()


def test_what_is_remembered_last_is_what_holds_however_often_who_asks_is_cancelled(tmp_path):
    store = SlowStore(tmp_path / "disables")

    async def body() -> None:
        async with aio.DebouncedController(AsyncToggler(), cooldown=0, store=store) as controller:
            disabling = asyncio.create_task(controller.disable())
            await until(store.begun.is_set)
            enabling = asyncio.create_task(controller.enable())
            for _ in range(3):
                await asyncio.sleep(0)
                disabling.cancel()
                enabling.cancel()
            await asyncio.sleep(0)
            store.go.set()
            await asyncio.wait({disabling, enabling})
            assert disabling.cancelled()
            assert enabling.cancelled()
            assert controller.status().disables == ()

    run(body())
    assert store.done.wait(30)
    assert store.load() == []


def test_togglers_of_the_wrong_kind_are_refused():
    async def body() -> None:
        async with aio.DebouncedController(Toggler()) as controller:
            with pytest.raises(ToggleError, match="use to_async_toggler"):
                await controller.acquire()

    run(body())

    async def make() -> None:
        with pytest.raises(TypeError, match=r"use workloads\.scaletozero\.aio\.DebouncedController"):
            DebouncedController(AsyncToggler())

    run(make())


def test_a_loop_that_ends_while_a_call_is_under_way_is_not_held_up():
    toggler: list[AsyncToggler] = []

    async def body() -> None:
        toggler.append(AsyncToggler())
        toggler[0].go.clear()
        controller = aio.DebouncedController(toggler[0])
        task = asyncio.create_task(controller.acquire())
        await toggler[0].begun.wait()
        assert not task.done()

    run(body())
    assert toggler[0].calls == ["disable"]


def test_an_adapter_tells_whether_its_toggler_drives_and_can_be_asked():
    class Driving(Toggler):
        drives = True

        def state(self) -> str:
            return "awake"

    async def body() -> None:
        plain, driving = aio.to_async_toggler(Toggler()), aio.to_async_toggler(Driving())
        assert (plain.drives, driving.drives) == (False, True)
        assert not hasattr(plain, "state")
        assert await driving.state() == "awake"

    run(body())


def test_a_store_that_cannot_be_read_is_an_error_each_time(tmp_path):
    folder = tmp_path / "disables"
    folder.write_text("not a folder")

    async def body() -> None:
        controller = aio.DebouncedController(AsyncToggler(), store=FileDisableStore(folder))
        for _ in range(2):
            with pytest.raises(OSError, match="is not a folder"):
                await controller.acquire()
        folder.unlink()
        assert (await controller.acquire()).live
        await controller.close()

    run(body())
