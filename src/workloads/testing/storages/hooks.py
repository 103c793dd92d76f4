"""What a storage's author tells the suite, and what its tests share."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from workloads.errors import MissingDependencyError

try:
    import pytest
except ImportError as error:
    raise MissingDependencyError("testing", "the conformance suite") from error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from workloads.session import Session, Storage

__all__ = ("StorageHooks", "scenario")

H = TypeVar("H", bound="StorageHooks")


class StorageHooks:
    """The storage that is tested, and ways to look past it.

    Attributes:
        ttl: Seconds that sessions are kept after their last use; 1050 by default. No test takes that long: the suite
            lets time pass by :meth:`age`, in steps of hundreds, so that none ends close to the moment of expiry.
        patience: Seconds that one thing may take; 10 by default.
        loops: Which event loops are used: ``asyncio``, ``uvloop`` or, by default, both.
        shared: Whether other storages see the same sessions. When not, the tests of that are left out.
    """

    ttl: ClassVar[float] = 1050.0
    patience: ClassVar[float] = 10.0
    loops: ClassVar[tuple[str, ...]] = ("asyncio", "uvloop")
    shared: ClassVar[bool] = True

    def open(self) -> Storage:
        """A storage of the store that is tested, called in the loop that will use it. The suite closes it.

        It has no sessions when it is the first of a test; another one has the same sessions where ``shared`` is true.
        """
        raise NotImplementedError

    async def stored(self, session_id: str) -> Session | None:
        """The session that is kept, found without the storage; None when there is none.

        Args:
            session_id: Its id.
        """
        raise NotImplementedError

    async def put(self, session: Session) -> None:
        """Keep a session for the whole time to live, without the storage.

        Args:
            session: The session.
        """
        raise NotImplementedError

    async def damage(self, session_id: str) -> bool:  # noqa: ARG002  # overridden where there is such a form
        """Make what is kept unreadable, without the storage. False, the default, when it has no such form.

        Args:
            session_id: The id of a session.
        """
        return False

    async def age(self, seconds: float) -> None:
        """Let time pass: what would have expired by then does, and everything else comes that much nearer to it.

        Args:
            seconds: A multiple of 100.
        """
        raise NotImplementedError

    # What the tests use

    @pytest.fixture(params=("asyncio", "uvloop"))
    def runner(self, request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
        """The loop that a test runs in."""
        if request.param not in self.loops:
            pytest.skip(f"{request.param} is not among {self.loops}")
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
        if request.param == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            yield runner

    def another(self) -> Storage:
        """A second storage of the same sessions; the test is left out where there is no such thing."""
        if not self.shared:
            pytest.skip("others do not see its sessions")
        return self.open()

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait until a condition holds, looked at again and again."""
        deadline = time.monotonic() + self.patience
        while not await condition():
            assert time.monotonic() < deadline, f"not so after {self.patience:g} s"
            await asyncio.sleep(0.01)


def scenario(body: Callable[[H, Any], Coroutine[Any, Any, None]]) -> Callable[[H, asyncio.Runner], None]:
    """A test out of a coroutine function that takes a storage: run in the loop, with a time limit, and closed.

    Args:
        body: The coroutine function.
    """

    async def play(hooks: H) -> None:
        storage = hooks.open()
        try:
            async with asyncio.timeout(3 * hooks.patience):
                await body(hooks, storage)
        finally:
            await storage.close()

    def test(self: H, runner: asyncio.Runner) -> None:
        runner.run(play(self))

    # Not functools.wraps: pytest would look behind it and take the storage for a fixture.
    test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
    return test
