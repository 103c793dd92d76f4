"""Containers of real engines that are paused, stopped and started to sleep and wake."""

from __future__ import annotations

import contextlib
import logging

import pytest
from tests.support.waiting import wait_until

from workloads.errors import ToggleError
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.toggler import ContainerToggler
from workloads.scaletozero import DebouncedController
from workloads.testing import TogglerConformance

STAYS = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
FAILS = "test -e /started && { echo no such setting >&2; exit 3; }; touch /started; " + STAYS


class Box:
    """A container, looked at and changed without the library."""

    def __init__(self, client, engine, script: str) -> None:
        self.client = client
        self.id = client.create_container(engine.busybox, ["sh", "-c", script])["Id"]
        self.engine = Engine(engine.name, engine.url)

    def toggler(self, **options) -> ContainerToggler:
        return ContainerToggler(self.engine, self.id, grace=5, **options)

    @property
    def status(self) -> str:
        return self.client.inspect_container(self.id)["State"]["Status"]


@pytest.fixture
def make(engine):
    """Makes containers that have not been started."""
    boxes: list[Box] = []
    with contextlib.closing(engine.client()) as client:

        def make(script: str = STAYS) -> Box:
            boxes.append(Box(client, engine, script))
            return boxes[-1]

        yield make
        for box in boxes:
            with contextlib.suppress(Exception):  # a test may have removed it
                client.remove_container(box.id, force=True)
            box.engine.close()


class TestStopping(TogglerConformance):
    """Of a container that is stopped and started."""

    patience = 120.0
    options: dict[str, object] = {}  # noqa: RUF012  # replaced, never changed

    @pytest.fixture
    def box(self, make):
        box = make()
        box.client.start(box.id)
        return box

    @pytest.fixture
    def toggler(self, box):
        toggler = box.toggler(**self.options)
        toggler.box = box
        yield toggler
        toggler.close()

    def is_forbidden(self, toggler):
        return toggler.box.status == "running"

    @contextlib.contextmanager
    def broken(self, toggler):
        """The engine is not where it is looked for."""
        engine = toggler._engine
        toggler._engine = Engine(engine.name, "unix:///nowhere")
        try:
            yield
        finally:
            toggler._engine = engine


class TestPausing(TestStopping):
    """Of a container that is paused and goes on."""

    options = {"stop_after": None}  # noqa: RUF012  # replaced, never changed


def test_what_others_have_done_is_seen(make):
    """S2Z-T69 start on running = success; externally stopped/started container is re-read, not assumed."""
    box = make()
    toggler = box.toggler(stop_after=None)
    toggler.disable()
    toggler.disable()
    assert (box.status, toggler.state()) == ("running", "awake")
    toggler.enable()
    assert (box.status, toggler.state()) == ("paused", "asleep")
    box.client.unpause(box.id)
    box.client.stop(box.id, timeout=5)
    toggler.disable()
    assert box.status == "running"


def test_one_that_is_not_paused_any_more_is_started(make, monkeypatch):
    """S2Z-T69 unpause when not paused falls back to start."""
    box = make()
    toggler = box.toggler(stop_after=None)
    toggler.disable()
    toggler.enable()
    look = ContainerToggler._look

    def late(self, client, verb):
        state = look(self, client, verb)
        if state.get("Paused"):  # it ends between the look and what is done about it
            box.client.unpause(box.id)
            box.client.stop(box.id, timeout=5)
        return state

    monkeypatch.setattr(ContainerToggler, "_look", late)
    toggler.disable()
    assert box.status == "running"


def test_one_that_has_ended_cannot_be_paused_and_its_log_tells_why(make):
    """S2Z-T69 pause on exited = error; exit code != 0 surfaces logs."""
    box = make(FAILS)
    toggler = box.toggler(stop_after=None)
    toggler.disable()
    box.client.kill(box.id)
    with pytest.raises(ToggleError, match="cannot be paused"):
        toggler.enable()
    with pytest.raises(ToggleError, match=r"ended as soon as it was started: .*exit code 3; (?s:.*)no such setting"):
        box.toggler(settle=60).disable()


def test_one_that_is_gone_is_an_error_and_one_whose_engine_is_away_is_unknown(make):
    box = make()
    toggler = box.toggler()
    box.client.remove_container(box.id, force=True)
    with pytest.raises(ToggleError, match="there is no container"):
        toggler.disable()
    assert toggler.state() == "unknown"
    toggler._engine = Engine("docker", "unix:///nowhere")
    with pytest.raises(TimeoutError):
        toggler.enable()


def test_one_that_was_paused_for_long_is_stopped(make):
    box = make()
    toggler = box.toggler(stop_after=0.3)
    toggler.disable()
    toggler.enable()
    assert box.status in ("paused", "exited")
    wait_until(lambda: box.status == "exited", timeout=120)
    toggler.disable()
    toggler.enable()
    toggler.disable()  # before it is stopped
    assert box.status == "running"


def test_a_controller_puts_it_to_sleep_and_wakes_it(make, caplog):
    box = make()
    with caplog.at_level(logging.ERROR), DebouncedController(box.toggler(), cooldown=0.05) as controller:
        with controller.hold("test"):
            assert box.status == "running"
        wait_until(lambda: box.status == "exited", timeout=120)
        with controller.hold("test"):
            assert box.status == "running"
    assert box.status == "exited"
    assert caplog.records == []
