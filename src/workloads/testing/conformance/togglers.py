"""What holds for every toggler of scale to zero."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from workloads.errors import MissingDependencyError

try:
    import pytest
except ImportError as error:
    raise MissingDependencyError("testing", "the conformance suite") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from workloads.scaletozero.protocols import Toggler

__all__ = ("TogglerConformance",)


class TogglerConformance:
    """What holds for every :class:`workloads.scaletozero.Toggler`.

    Subclass it in a test module, give it the fixture ``toggler`` and :meth:`is_forbidden`, and pytest runs it.

    Attributes:
        patience: Seconds that one thing may take on this platform; 20 by default.
    """

    patience: ClassVar[float] = 20.0

    @pytest.fixture
    def toggler(self) -> Iterator[Toggler]:
        """A toggler of something that may sleep, and that nobody else keeps awake; override it."""
        raise NotImplementedError("give the suite a fixture named toggler")

    def is_forbidden(self, toggler: Toggler) -> bool:
        """Whether sleeping is forbidden, or the workload runs, found without the toggler.

        Args:
            toggler: The toggler.
        """
        raise NotImplementedError

    def broken(self, toggler: Toggler) -> AbstractContextManager[object] | None:
        """A block in which the platform refuses whatever it is told; None (the default) when that cannot be had.

        Args:
            toggler: The toggler.
        """
        del toggler
        return None

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, looked at again and again."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, f"not so after {self.patience:g} s"
            time.sleep(0.002)

    def _is(self, toggler: Toggler, forbidden: bool) -> bool:
        return self.is_forbidden(toggler) is forbidden

    def test_disable_forbids_and_enable_allows(self, toggler: Toggler) -> None:
        """Forbidden already when ``disable`` returns; again and again."""
        for _ in range(2):
            toggler.disable()
            assert self.is_forbidden(toggler)
            toggler.enable()
            self.until(lambda: not self.is_forbidden(toggler))

    def test_both_can_be_repeated(self, toggler: Toggler) -> None:
        """One ``enable`` ends any number of ``disable``: a controller counts, a toggler does not."""
        for _ in range(3):
            toggler.disable()
        assert self.is_forbidden(toggler)
        toggler.enable()
        self.until(lambda: not self.is_forbidden(toggler))
        toggler.enable()
        assert not self.is_forbidden(toggler)
        toggler.disable()
        assert self.is_forbidden(toggler)

    def test_enabling_what_was_never_disabled_is_fine(self, toggler: Toggler) -> None:
        """It may sleep then."""
        toggler.enable()
        self.until(lambda: not self.is_forbidden(toggler))

    def test_calls_may_come_from_any_thread(self, toggler: Toggler) -> None:
        """A controller makes each in another one."""
        for verb in (toggler.disable, toggler.enable, toggler.disable):
            thread = threading.Thread(target=verb)
            thread.start()
            thread.join(self.patience)
            assert not thread.is_alive()
        assert self.is_forbidden(toggler)

    def test_its_state_is_what_is_so(self, toggler: Toggler) -> None:
        """If it can be asked; ``unknown`` is always allowed."""
        state: Callable[[], str] | None = getattr(toggler, "state", None)
        if state is None:
            pytest.skip("it cannot be asked")
        toggler.disable()
        self.until(lambda: state() in ("awake", "unknown"))
        toggler.enable()
        self.until(lambda: state() in ("asleep", "unknown"))

    def test_a_failure_is_an_error_and_the_next_call_goes_on(self, toggler: Toggler) -> None:
        """What failed has changed nothing, and can be repeated."""
        if self.broken(toggler) is None:
            pytest.skip("the platform cannot be broken here")
        for verb, forbidden in ((toggler.disable, True), (toggler.enable, False)):
            broken = self.broken(toggler)
            assert broken is not None
            with broken, pytest.raises(Exception):  # noqa: B017, PT011  # whatever it is: a controller takes any
                verb()
            verb()
            self.until(partial(self._is, toggler, forbidden))

    def test_it_works_on_asyncio(self, toggler: Toggler) -> None:
        """Through ``to_async_toggler``."""
        from workloads.scaletozero.aio import to_async_toggler

        async def toggle() -> None:
            face = to_async_toggler(toggler)
            await face.disable()
            await face.disable()

        asyncio.run(toggle())
        assert self.is_forbidden(toggler)
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(to_async_toggler(toggler).enable())
        self.until(lambda: not self.is_forbidden(toggler))
