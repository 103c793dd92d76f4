"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ("exports",)


def exports(package: str, homes: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package.

    Type checkers do not see what they give: the package imports the same names under ``TYPE_CHECKING``.

    Args:
        package: Its name.
        homes: Its modules, each with the names that are found there.

    Example:
        >>> __getattr__, __dir__ = exports("workloads.testing", {"behaviour": ["ServerBehaviour"]})
        >>> __getattr__("ServerBehaviour")
        <enum 'ServerBehaviour'>
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def __getattr__(name: str) -> Any:  # noqa: N807  # the name by which an error is traced
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # the next use finds it without coming here
        return value

    def __dir__() -> list[str]:  # noqa: N807
        return sorted({*vars(sys.modules[package]), *modules})

    return __getattr__, __dir__
