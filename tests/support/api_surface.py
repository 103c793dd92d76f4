"""The public names and their signatures, as text: what must not change unnoticed.

``python -m tests.support.api_surface > tests/unit/api_surface.txt`` writes it down anew.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = (
    "workloads",
    "workloads.aio",
    "workloads.config",
    "workloads.discovery",
    "workloads.groups",
    "workloads.proxyrunner",
    "workloads.proxyrunner.middleware",
    "workloads.scaletozero",
    "workloads.scaletozero.aio",
    "workloads.scaletozero.asgi",
    "workloads.scaletozero.togglers",
    "workloads.scaletozero.wsgi",
    "workloads.secrets",
    "workloads.session",
    "workloads.testing",
    "workloads.testing.crashes",
)


def render() -> str:
    """Every public name of every public package, a line each, and those of classes below it."""
    return "".join(f"{line}\n" for package in PACKAGES for line in package_lines(package))


def package_lines(package: str) -> Iterator[str]:
    module = importlib.import_module(package)
    yield f"# {package}"
    for name in sorted(module.__all__):
        yield from lines(name, getattr(module, name))


def lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        yield from (f"    {line}" for line in class_lines(value))
    elif callable(value):
        yield f"def {name}{signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def class_lines(cls: type) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
        return
    # Only this package's own: what the standard library adds to a class differs from one Python to the next.
    owners = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "workloads"]
    found = {name for base in owners for name in {*vars(base), *inspect.get_annotations(base)}}
    if constructed := [
        base for base in owners if "__init__" in vars(base) and not getattr(base, "_is_protocol", False)
    ]:
        yield f"__init__{signature(constructed[0].__init__)}"
    for name in sorted(name for name in found if not name.startswith("_")):
        member = inspect.getattr_static(cls, name, None)
        if isinstance(member, property):
            yield f"{name}: property"
        elif isinstance(member, classmethod | staticmethod):
            yield f"{type(member).__name__} {name}{signature(member.__func__)}"
        elif inspect.isroutine(member):
            yield f"{name}{signature(member)}"
        else:
            yield name


def signature(value: Any) -> str:
    try:
        shown = re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return "(...)"
    # Postponed annotations are texts, and shown with quotes that say nothing.
    return re.sub(r"""(: |-> )(["'])(.*?)\2(?=$|[,)]| =)""", r"\1\3", shown)


if __name__ == "__main__":
    print(render(), end="")
