"""What a manager's author tells the suite, and what its tests share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from workloads.errors import MissingDependencyError
from workloads.model import WorkloadStatus

try:
    import pytest
except ImportError as error:
    raise MissingDependencyError("testing", "the conformance suite") from error

from workloads.testing._facade import Blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workloads.config import RunConfig
    from workloads.manager import Manager
    from workloads.model import Workload

__all__ = ("Hooks",)


class Hooks:
    """The manager that is tested, and ways to look past it.

    Attributes:
        patience: Seconds that one thing may take on this manager; 20 by default.
        surfaces: Which surfaces are tested: ``sync``, ``async`` or, by default, both.
    """

    patience: ClassVar[float] = 20.0
    surfaces: ClassVar[tuple[str, ...]] = ("sync", "async")

    @pytest.fixture
    def manager(self) -> Iterator[Manager]:
        """The manager, without workloads, and with no group but ``default``; override it."""
        raise NotImplementedError("give the suite a fixture named manager")

    def another(self, manager: Manager) -> Manager:
        """A second manager of the same workloads; the suite closes it.

        Args:
            manager: The first one, which may be closed.
        """
        raise NotImplementedError

    def make_config(self, name: str, **fields: Any) -> RunConfig:
        """A run config whose server becomes ready quickly.

        Args:
            name: The workload's name.
            fields: Other fields of the run config, such as ``group``.
        """
        raise NotImplementedError

    def broken_config(self, name: str) -> RunConfig:
        """A run config whose server ends at once with an error.

        Args:
            name: The workload's name.
        """
        raise NotImplementedError

    def slow_config(self, name: str) -> RunConfig:
        """A run config whose server starts and is never ready.

        Args:
            name: The workload's name.
        """
        raise NotImplementedError

    def call(self, url: str, text: str) -> str:
        """Send ``text`` to a server that returns it and writes at least one line to its log.

        Args:
            url: What the workload says clients connect to.
            text: What to send.
        """
        raise NotImplementedError

    def stored_run_config(self, name: str) -> RunConfig | None:
        """The run config that is stored, found without the manager; None when none is.

        Args:
            name: The workload's name.
        """
        raise NotImplementedError

    def is_running(self, name: str) -> bool:
        """Whether a proxy of the workload lives, found without the manager.

        Args:
            name: The workload's name.
        """
        raise NotImplementedError

    # What the tests use

    @pytest.fixture(params=("sync", "async"))
    def subject(self, request: pytest.FixtureRequest, manager: Manager) -> Iterator[Manager]:
        """The surface that is tested. What a test leaves is deleted."""
        if request.param not in self.surfaces:
            pytest.skip(f"the {request.param} surface is not among {self.surfaces}")
        subject: Manager = manager
        if request.param == "async":
            from workloads.aio import to_async

            subject = Blocking(to_async(manager))
        with subject:
            yield subject
        with self.another(manager) as cleaner:
            names = [workload.name for workload in cleaner.list_workloads(all=True)]
            cleaner.delete_workloads(names, grace=1.0).wait(self.patience)

    def run(self, subject: Manager, name: str = "one", **fields: Any) -> Workload:
        """A workload that is ready."""
        return subject.run_workload_detached(self.make_config(name, **fields), wait=self.patience)

    def run_all(self, subject: Manager, *configs: RunConfig) -> list[Workload]:
        """Workloads that are all ready; they become it at the same time."""
        for config in configs:
            subject.run_workload_detached(config)
        names = [config.name for config in configs]
        self.until(lambda: all(subject.get_workload(name).status is WorkloadStatus.RUNNING for name in names))
        return [subject.get_workload(name) for name in names]

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, looked at again and again."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, f"not so after {self.patience:g} s"
            time.sleep(0.01)
