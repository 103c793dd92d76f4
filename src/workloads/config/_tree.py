"""Trees of JSON values: the common form of every document between its text and our classes.

A tree is made of ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and None. A frozen tree, as attributes show
it, has :class:`~workloads._core.collections.ReadOnlyDict` and ``tuple`` instead.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from workloads._core.collections import ReadOnlyDict
from workloads.config._messages import expected
from workloads.config._numbers import TOO_LONG, FloatLiteral, IntLiteral, is_too_long
from workloads.config._paths import render
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.config._paths import Path

__all__ = (
    "DOCUMENT_DEPTH",
    "MAX_DEPTH",
    "TOLD",
    "TOO_DEEP",
    "Foreign",
    "Invalid",
    "JsonObject",
    "MarkedDict",
    "copy_document",
    "copy_tree",
    "freeze_tree",
    "identity",
    "is_list",
    "is_mapping",
    "is_object",
    "member_problems",
    "not_finite",
    "thaw",
    "tree_problems",
)

MAX_DEPTH = 100
"""How many objects and lists may be inside each other in a value of any shape. Deeper ones are only ever an attack."""

DOCUMENT_DEPTH = MAX_DEPTH + 10
"""The same for a whole document: fields are a few levels deep before such a value begins."""

TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
"""The message about it."""


class Invalid:
    """Stands where a value should be that could not be built, and says why.

    Attributes:
        problems: What is wrong; the paths are relative to this place.
    """

    __slots__ = ("problems",)

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)


TOLD = Invalid(())
"""Stands for what is wrong with the text itself, which has been told of when it is found again."""


class MarkedDict(dict[Any, Any]):
    """An object as it was written, which remembers the keys that were written twice.

    Attributes:
        duplicates: Those keys.
    """

    __slots__ = ("duplicates",)
    duplicates: tuple[Any, ...]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Any, Any]]) -> MarkedDict:
        """The object of these keys and values."""
        self = cls(pairs)
        self.duplicates = ()
        if len(self) != len(pairs):
            self.duplicates = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return self


class JsonObject(ReadOnlyDict[str, Any]):
    """A mapping of which it is known that it is a frozen tree."""

    __slots__ = ()


_CONTAINERS = frozenset((dict, list))


class Foreign:
    """Something in a document that no JSON value can stand for.

    Attributes:
        message: What is wrong with it.
    """

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


def not_finite(literal: str) -> str:
    """The message about ``NaN`` and the infinities."""
    return f"{literal} is not a number that JSON knows"


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a part of a tree is an object, frozen or not."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether a part of a tree is a list, frozen or not."""
    return isinstance(value, list | tuple)


def is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether it is a mapping of any class."""
    return isinstance(value, Mapping)


def copy_document(value: Any, problems: list[Problem]) -> Any:
    """A plain copy of something that should be the tree of a document, see :func:`copy_tree`."""
    return copy_tree(value, problems, frozen=False, depth=MAX_DEPTH - DOCUMENT_DEPTH)


def copy_tree(value: Any, problems: list[Problem], *, frozen: bool, path: Path = (), depth: int = 0) -> Any:
    """A copy of something that should be a tree.

    Args:
        value: The candidate. Any mapping with string keys and any list or tuple will do.
        problems: What is wrong with it is added here; the copy has an empty :class:`Invalid` in such places.
        frozen: Whether to make a frozen tree.
        path: Where the value is.
        depth: How many objects and lists it is inside of.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value, problems, path)
    if isinstance(value, int | float):
        return _number(value, problems, path)
    if depth >= MAX_DEPTH:
        problems.append(Problem(render(path), TOO_DEEP))
        return TOLD
    depth += 1
    if is_list(value):
        items = [copy_tree(item, problems, frozen=frozen, path=(path, i), depth=depth) for i, item in enumerate(value)]
        return tuple(items) if frozen else items
    if is_mapping(value):
        return _object(value, problems, frozen=frozen, path=path, depth=depth)
    if not isinstance(value, Invalid):
        problems.append(Problem(render(path), _not_json(value)))
    return TOLD


def _not_json(value: object) -> str:
    return value.message if isinstance(value, Foreign) else f"expected a JSON value, got {type(value).__name__}"


def _object(
    value: Mapping[Any, Any], problems: list[Problem], *, frozen: bool, path: Path, depth: int
) -> dict[str, Any]:
    if isinstance(value, MarkedDict):
        problems.extend(Problem(render((path, str(key))), "duplicate key") for key in value.duplicates)
    members: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(key, str):
            name = _text(key, problems, path)
            if name is not TOLD:
                members[name] = copy_tree(item, problems, frozen=frozen, path=(path, name), depth=depth)
        else:
            problems.append(Problem(render(path), key.message if isinstance(key, Foreign) else expected("str", key)))
    if frozen:
        return JsonObject(members)
    return members


def _text(value: str, problems: list[Problem], path: Path) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            problems.append(Problem(render(path), "holds half of a surrogate pair, which is not Unicode text"))
            return TOLD
    return value if type(value) is str else str.__str__(value)


def _number(value: Any, problems: list[Problem], path: Path) -> Any:
    if isinstance(value, float):
        if not isinstance(value, FloatLiteral) and not math.isfinite(value):
            problems.append(Problem(render(path), not_finite(str(value))))
            return TOLD
        return value if type(value) is float or isinstance(value, FloatLiteral) else float(value)
    if is_too_long(value):
        problems.append(Problem(render(path), TOO_LONG))
        return TOLD
    return value if type(value) is int or isinstance(value, IntLiteral) else int(value)


def tree_problems(value: Any) -> list[Problem]:
    """What is wrong with something that should be a tree."""
    problems: list[Problem] = []
    copy_tree(value, problems, frozen=False)
    return problems


def member_problems(members: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with some of the members of an object, each of which should be a tree."""
    problems: list[Problem] = []
    for key, value in members.items():
        copy_tree(value, problems, frozen=False, path=((), key))
    return problems


def freeze_tree(value: Any, depth: int = 0) -> Any:
    """A frozen copy of a part of a document, which is a tree except that it may be too deep.

    Raises:
        TypeError: It is.
    """
    if value.__class__ is dict:
        if depth == MAX_DEPTH:
            raise TypeError(TOO_DEEP)
        if _CONTAINERS.isdisjoint(map(type, value.values())):
            return JsonObject(value)
        return JsonObject({key: freeze_tree(item, depth + 1) for key, item in value.items()})
    if value.__class__ is list:
        if depth == MAX_DEPTH:
            raise TypeError(TOO_DEEP)
        return tuple([freeze_tree(item, depth + 1) for item in value])
    return value


def thaw(value: Any) -> Any:
    """A plain copy of a tree or frozen tree, which the caller may change."""
    if is_object(value):
        return {key: thaw(item) for key, item in value.items()}
    if is_list(value):
        return [thaw(item) for item in value]
    return value


def identity(value: Any) -> Any:
    """What tells trees apart: equal if the trees are, whatever the order of keys; ``true`` is not ``1``. Hashable."""
    if is_object(value):
        return "{}", frozenset((key, identity(item)) for key, item in value.items())
    if is_list(value):
        return "[]", tuple(identity(item) for item in value)
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, FloatLiteral) and math.isinf(value):
        return "number", value.literal
    return value
