"""The types that fields of config classes may have, found by their annotation, and how each is checked.

Nothing is ever converted: ``"12"`` is not ``12``, ``True`` is not ``1`` and ``"abc"`` is not a list.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from workloads.config._messages import expected
from workloads.config._paths import join, segment_text
from workloads.config._tree import Invalid, JsonObject, is_list, is_mapping, tree_problems
from workloads.errors import Problem
from workloads.model import TransportType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Check: TypeAlias = "Callable[[Any, bool], Sequence[Problem]]"

__all__ = ("TRANSPORTS", "Form", "Kind", "class_named", "kind_of")

TRANSPORTS: dict[str, TransportType] = {member.value: member for member in TransportType}
"""Every transport by its name."""

_NONE_FOUND: Sequence[Problem] = ()


class Form(Enum):
    """How values of a field are read and written."""

    PLAIN = auto()
    ENUM = auto()
    LIST = auto()
    MAP = auto()
    TREE = auto()
    OBJECT = auto()
    OBJECTS = auto()
    OBJECT_MAP = auto()


class Kind(NamedTuple):
    """A type.

    Attributes:
        form: How its values are read and written.
        check: What is wrong with a value, with paths relative to it; the second argument tells whether messages must
            not show it.
        types: The exact Python types of all usual values, or of what lists and mappings hold; empty for any.
        of: The config class its values are, or consist of.
    """

    form: Form
    check: Check
    types: frozenset[type] = frozenset()
    of: str = ""


@cache
def class_named(name: str) -> type[Any]:
    """A config class by its name; imported now, because most documents need few of them."""
    import workloads.config

    cls: type[Any] = getattr(workloads.config, name)
    return cls


def _leaf(what: str, fits: Callable[[Any], bool]) -> Check:
    def check(value: Any, quiet: bool) -> Sequence[Problem]:
        return _NONE_FOUND if fits(value) else (Problem("", expected(what, value, quiet=quiet)),)

    return check


def _or_null(inner: Check) -> Check:
    def check(value: Any, quiet: bool) -> Sequence[Problem]:
        return _NONE_FOUND if value is None else inner(value, quiet)

    return check


def _each(what: str, inner: Check) -> Check:
    def check(value: Any, quiet: bool) -> Sequence[Problem]:
        if not is_list(value):
            return (Problem("", expected(f"list of {what}", value, quiet=quiet)),)
        return [problem for index, item in enumerate(value) for problem in _inside(f"[{index}]", item, inner, quiet)]

    return check


def _each_value(what: str, inner: Check) -> Check:
    def check(value: Any, quiet: bool) -> Sequence[Problem]:
        if not is_mapping(value):
            return (Problem("", expected(f"object of {what}", value, quiet=quiet)),)
        problems: list[Problem] = []
        for key, item in value.items():
            if isinstance(key, str):
                problems += _inside(segment_text(key), item, inner, quiet)
            else:
                problems.append(Problem("", expected("str as key", key)))
        return problems

    return check


def _inside(segment: str, item: Any, inner: Check, quiet: bool) -> list[Problem]:
    found = item.problems if isinstance(item, Invalid) else inner(item, quiet)
    return [Problem(join(segment, problem.path), problem.message) for problem in found]


def _object(of: str) -> Check:
    # A document holds objects; Python code must use the class.
    return lambda value, quiet: (
        _NONE_FOUND
        if isinstance(value, class_named(of))
        else (Problem("", expected(of if isinstance(value, dict) else "object", value, quiet=quiet)),)
    )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_STR = _leaf("str", lambda value: isinstance(value, str))
_INT = _leaf("int", _is_int)
_BOOL = _leaf("bool", lambda value: isinstance(value, bool))
_TRANSPORT = _leaf(f"one of {', '.join(TransportType)}", lambda value: isinstance(value, str) and value in TRANSPORTS)


def _check_tree(value: Any, quiet: bool) -> Sequence[Problem]:  # noqa: ARG001  # it never shows a value
    return tree_problems(value)


def _check_object_tree(value: Any, quiet: bool) -> Sequence[Problem]:
    if value is None or is_mapping(value):
        return _check_tree(value, quiet)
    return (Problem("", expected("object", value, quiet=quiet)),)


def _types(*types: type) -> frozenset[type]:
    return frozenset(types)


_KINDS = {
    "str": Kind(Form.PLAIN, _STR, _types(str)),
    "int": Kind(Form.PLAIN, _INT, _types(int)),
    "bool": Kind(Form.PLAIN, _BOOL, _types(bool)),
    "int | None": Kind(Form.PLAIN, _or_null(_INT), _types(int, type(None))),
    "bool | None": Kind(Form.PLAIN, _or_null(_BOOL), _types(bool, type(None))),
    "int | str": Kind(
        Form.PLAIN,
        _leaf("int or str", lambda value: isinstance(value, str) or _is_int(value)),
        _types(int, str),
    ),
    "TransportType": Kind(Form.ENUM, _TRANSPORT),
    "tuple[str, ...]": Kind(Form.LIST, _each("str", _STR), _types(str)),
    "tuple[int, ...]": Kind(Form.LIST, _each("int", _INT), _types(int)),
    "Mapping[str, str]": Kind(Form.MAP, _each_value("str", _STR), _types(str)),
    "Any": Kind(Form.TREE, _check_tree),
    "tuple[Any, ...]": Kind(Form.TREE, _each("JSON values", _check_tree), _types(tuple)),
    "Mapping[str, Any] | None": Kind(Form.TREE, _check_object_tree, _types(JsonObject, type(None))),
}


def kind_of(annotation: str) -> Kind:
    """The kind of a field by its annotation, as our classes write them.

    Raises:
        TypeError: No field has such an annotation yet.
    """
    if (kind := _KINDS.get(annotation)) is not None:
        return kind
    if annotation.startswith("Literal["):
        return _KINDS["str"]  # which strings is a rule
    if (match := re.fullmatch(r"(\w+) \| None", annotation)) is not None:
        return Kind(Form.OBJECT, _or_null(_object(match[1])), of=match[1])
    if (match := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", annotation)) is not None:
        return Kind(Form.OBJECTS, _each("objects", _object(match[1])), of=match[1])
    if (match := re.fullmatch(r"Mapping\[str, (\w+)\]", annotation)) is not None:
        return Kind(Form.OBJECT_MAP, _each_value("objects", _object(match[1])), of=match[1])
    raise TypeError(f"no kind for the annotation {annotation!r}")
