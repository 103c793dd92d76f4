"""In which order workloads start that depend on each other. Pure, but for looking run configs up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.errors import Problem, RunConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workloads.config import RunConfig

__all__ = ("start_order",)


def start_order(config: RunConfig, find: Callable[[str], RunConfig | None]) -> list[str]:
    """The workloads to start before one, those that others of them depend on first; without itself.

    Args:
        config: Its run config, which need not be stored yet.
        find: The stored run config of another workload; None when there is none.

    Raises:
        RunConfigError: Workloads depend on each other in a circle, or on some that do not exist; lists every such key.
    """
    order: list[str] = []
    problems: dict[str, str] = {}

    def visit(current: RunConfig, path: Sequence[str], key: str) -> None:
        for index, name in enumerate(current.depends_on):
            place = key or f"depends_on[{index}]"
            if name in path:
                circle = " -> ".join((*path[path.index(name) :], name))
                problems.setdefault(place, f"workloads cannot depend on each other in a circle: {circle}")
            elif name not in order:
                found = find(name)
                if found is None:
                    problems.setdefault(place, f"there is no workload {name!r}, which {path[-1]!r} depends on; run it")
                    continue
                visit(found, (*path, name), place)
                order.append(name)

    visit(config, (config.name,), "")
    if problems:
        raise RunConfigError([Problem(path, message) for path, message in problems.items()])
    return order
