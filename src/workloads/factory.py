"""Making a manager: which runtime it uses is detected, or told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.managers.settings import Settings
from workloads.runtimes.detection import Candidate, Detection, choose_runtime, detect_runtime

if TYPE_CHECKING:
    from workloads.config import RunConfig
    from workloads.discovery import BackendDiscoverer
    from workloads.errors import Problem
    from workloads.groups import GroupManager
    from workloads.manager import Manager, WorkloadReader

__all__ = (
    "Candidate", "Detection", "Settings", "detect_runtime", "new_backend_discoverer", "new_group_manager",
    "new_manager", "validate",
)  # fmt: skip


def new_manager(runtime: str | None = None, *, settings: Settings | None = None) -> Manager:
    """A manager for this machine, with the runtime for new workloads.

    Args:
        runtime: The runtime to use, such as ``process``; None takes ``WORKLOADS_RUNTIME``, else ``TOOLHIVE_RUNTIME``,
            else the best that is usable here, which :func:`detect_runtime` explains.
        settings: Where the state is, and more; None takes the defaults.

    Raises:
        RuntimeNotFoundError: The runtime asked for does not exist; lists the usable ones.
        RuntimeUnavailableError: It cannot be used here; says why, and lists the usable ones.
        MissingDependencyError: This is a pod, and the extra ``kubernetes`` is not installed.

    Example:
        >>> with new_manager("process") as manager:
        ...     manager.does_workload_exist("no-such-workload")
        False
    """
    from workloads.managers import LocalManager

    return LocalManager(choose_runtime(runtime), settings=settings)


def new_group_manager(manager: Manager) -> GroupManager:
    """A manager of the groups that a manager's workloads belong to.

    Args:
        manager: The manager, as :func:`new_manager` makes it; or any other whose attribute ``groups`` is a
            :class:`~workloads.GroupManager`.

    Raises:
        UnsupportedOperationError: It has no such attribute.

    Example:
        >>> with new_manager("process") as manager:
        ...     new_group_manager(manager).exists("default")
        True
    """
    from workloads.errors import UnsupportedOperationError
    from workloads.groups import GroupManager

    groups = getattr(manager, "groups", None)
    if not isinstance(groups, GroupManager):
        raise UnsupportedOperationError("new_group_manager", f"{type(manager).__name__} keeps no groups")
    return groups


def new_backend_discoverer(manager: WorkloadReader) -> BackendDiscoverer:
    """Finds the workloads of a group as backends, each with its URL, its transport and its health.

    Args:
        manager: Whose workloads: a manager, as :func:`new_manager` makes it or as ``LocalManager.open`` does for those
            that ToolHive runs; or anything else that lists workloads. Whoever made it closes it.

    Example:
        >>> with new_manager("process") as manager:
        ...     new_backend_discoverer(manager).discover("default")
        []
    """
    from workloads.discovery import ReaderDiscoverer

    return ReaderDiscoverer(manager)


def validate(config: RunConfig, runtime: str | None = None) -> list[Problem]:
    """Everything that this build, or the runtime, would refuse of a run config. Nothing is run.

    Args:
        config: The run config.
        runtime: The runtime, such as ``process``; None takes the one that a new workload would get here.

    Raises:
        RuntimeNotFoundError: The runtime does not exist; lists the usable ones.
        RuntimeUnavailableError: It cannot be used here.

    Example:
        >>> from workloads import RunConfig
        >>> config = RunConfig(name="a", image="nginx:1", isolate_network=True)
        >>> [problem.path for problem in validate(config, "process")]
        ['image', 'isolate_network']
    """
    from workloads.managers.admission import problems
    from workloads.runtimes.registry import load_runtime

    return problems(config, load_runtime(choose_runtime(runtime)))
