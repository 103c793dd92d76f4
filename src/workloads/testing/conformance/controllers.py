"""What holds for every controller of scale to zero."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, ClassVar

from workloads.errors import ControllerClosedError, InvalidNameError, MissingDependencyError, ToggleError
from workloads.testing._controllers import RecordingToggler, blocking

try:
    import pytest
except ImportError as error:
    raise MissingDependencyError("testing", "the conformance suite") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import AsyncController, Controller, Toggler

__all__ = ("ControllerConformance",)


class ControllerConformance:
    """What holds for every :class:`workloads.scaletozero.Controller`, and for those of asyncio.

    Subclass it in a test module, override :meth:`make`, and pytest runs it.

    Attributes:
        toggles: Whether the controller calls a toggler at all; True by default.
        patience: Seconds that one thing may take; 20 by default.
    """

    toggles: ClassVar[bool] = True
    patience: ClassVar[float] = 20.0

    def make(self, toggler: Toggler) -> Controller | AsyncController:
        """A controller without a cooldown, for threads or for asyncio.

        Args:
            toggler: What it calls; for one for asyncio, give it to ``to_async_toggler``.
        """
        raise NotImplementedError

    @pytest.fixture
    def toggler(self) -> RecordingToggler:
        """What the controller calls."""
        return RecordingToggler()

    @pytest.fixture
    def controller(self, toggler: RecordingToggler) -> Iterator[Controller]:
        """The controller that is tested, with the verbs of one for threads."""
        with blocking(lambda: self.make(toggler)) as controller:
            yield controller

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, looked at again and again."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, f"not so after {self.patience:g} s"
            time.sleep(0.002)

    def told(self, toggler: RecordingToggler, *calls: str) -> bool:
        """Whether the toggler was told just this, or nothing where nothing is toggled."""
        return toggler.calls == (list(calls) if self.toggles else [])

    # Holds

    def test_a_hold_is_in_the_status_until_it_is_released(
        self, controller: Controller, toggler: RecordingToggler
    ) -> None:
        """With its owner and reason; and the toggler has been told before the caller goes on."""
        hold = controller.acquire("one", reason="work")
        assert self.told(toggler, "disable")
        assert [(each.owner, each.reason, each.waiting) for each in controller.status().holds] == [
            ("one", "work", False)
        ]
        assert _lives(hold)
        controller.release(hold)
        assert not _lives(hold)
        assert controller.status().holds == ()
        self.until(lambda: self.told(toggler, "disable", "enable"))

    def test_a_release_can_be_repeated_and_takes_nobody_elses_hold(
        self, controller: Controller, toggler: RecordingToggler
    ) -> None:
        """By the controller, by the hold, and from another thread."""
        first, second = controller.acquire("first"), controller.acquire("second")
        thread = threading.Thread(target=first.release)
        thread.start()
        thread.join()
        self.until(lambda: not first.live)
        first.release()
        controller.release(first)
        assert [each.owner for each in controller.status().holds] == ["second"]
        assert second.live
        assert self.told(toggler, "disable")

    def test_a_block_holds_and_releases_whatever_happens_in_it(self, controller: Controller) -> None:
        """An error in it is the caller's."""
        with controller.hold("one") as hold:
            assert _lives(hold)
        assert not _lives(hold)
        with pytest.raises(ZeroDivisionError), controller.hold("two"):
            raise ZeroDivisionError
        assert controller.status().holds == ()

    def test_a_hold_with_a_time_to_live_ends_by_itself(self, controller: Controller, toggler: RecordingToggler) -> None:
        """And releasing it then does nothing."""
        hold = controller.acquire(ttl=0.05)
        self.until(lambda: controller.status().holds == ())
        assert not hold.live
        controller.release(hold)
        self.until(lambda: self.told(toggler, "disable", "enable"))

    def test_many_at_once_make_one_call(self, controller: Controller, toggler: RecordingToggler) -> None:
        """All of them hold afterwards."""
        threads = [threading.Thread(target=controller.acquire) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(controller.status().holds) == 30
        assert self.told(toggler, "disable")

    def test_times_that_cannot_be_are_refused(self, controller: Controller) -> None:
        """Nothing is held then."""
        with pytest.raises(ValueError, match="ttl must be"):
            controller.acquire(ttl=-1)
        with pytest.raises(ValueError, match="timeout must be"):
            controller.acquire(timeout=-1)
        assert controller.status().holds == ()

    # Names

    def test_both_verbs_can_be_repeated(self, controller: Controller, toggler: RecordingToggler) -> None:
        """Only the first counts."""
        controller.enable()
        for _ in range(2):
            controller.disable()
        assert [each.name for each in controller.status().disables] == ["default"]
        assert self.told(toggler, "disable")
        for _ in range(2):
            controller.enable()
        assert controller.status().disables == ()
        self.until(lambda: self.told(toggler, "disable", "enable"))

    def test_names_and_holds_are_independent(self, controller: Controller, toggler: RecordingToggler) -> None:
        """The last of them counts."""
        hold = controller.acquire()
        controller.disable("a")
        controller.disable("b")
        controller.release(hold)
        controller.enable("a")
        assert [each.name for each in controller.status().disables] == ["b"]
        assert self.told(toggler, "disable")
        controller.enable("b")
        self.until(lambda: self.told(toggler, "disable", "enable"))

    def test_a_name_with_a_time_to_live_ends_by_itself(self, controller: Controller, toggler: RecordingToggler) -> None:
        """A time that is left is never shortened."""
        controller.disable("lease", ttl=0.05)
        controller.disable("lease", ttl=0.01)
        self.until(lambda: controller.status().disables == ())
        self.until(lambda: self.told(toggler, "disable", "enable"))

    def test_names_that_cannot_be_are_refused(self, controller: Controller) -> None:
        """By both verbs."""
        for name in ("", "a/b", "x" * 129):
            with pytest.raises(InvalidNameError):
                controller.disable(name)
            with pytest.raises(InvalidNameError):
                controller.enable(name)

    # Failure

    def test_when_sleeping_cannot_be_forbidden_nothing_is_held(
        self, controller: Controller, toggler: RecordingToggler
    ) -> None:
        """The next one tries again."""
        if not self.toggles:
            pytest.skip("it calls no toggler")
        toggler.fail["disable"] = 2
        with pytest.raises(ToggleError):
            controller.acquire()
        with pytest.raises(ToggleError):
            controller.disable()
        assert (controller.status().holds, controller.status().disables) == ((), ())
        assert controller.acquire().live

    def test_when_sleeping_cannot_be_allowed_it_is_tried_again(
        self, controller: Controller, toggler: RecordingToggler
    ) -> None:
        """Without anybody's doing."""
        if not self.toggles:
            pytest.skip("it calls no toggler")
        toggler.fail["enable"] = 1
        controller.acquire().release()
        self.until(lambda: toggler.calls == ["disable", "enable", "enable"])

    # The end

    def test_a_closed_one_refuses(self, controller: Controller) -> None:
        """Closing can be repeated, and the status still be read."""
        for _ in range(2):
            controller.close()
        for verb in (controller.acquire, controller.disable, controller.enable):
            with pytest.raises(ControllerClosedError):
                verb()
        assert controller.status().closed


def _lives(hold: Hold) -> bool:
    # A call, since a type checker takes an attribute that was looked at for what it was.
    return hold.live
