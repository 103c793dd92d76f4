"""What constructors do with what they are given: copy it in, read-only, if it is of the right type.

What is not raises :class:`UnusualError`; whoever called then looks for all that is wrong. The signatures tell type
checkers what constructors accept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from workloads._core.collections import EMPTY_DICT, ReadOnlyDict
from workloads.config._kinds import TRANSPORTS, class_named
from workloads.config._numbers import IntLiteral
from workloads.config._tree import JsonObject, copy_tree, is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.config.middleware import MiddlewareConfig, ToolOverride, Webhook
    from workloads.config.rate_limit import ToolRateLimit
    from workloads.errors import Problem
    from workloads.model import TransportType

__all__ = (
    "UnusualError",
    "integers",
    "json_list",
    "json_object",
    "json_value",
    "middlewares",
    "plain",
    "string_map",
    "strings",
    "tool_limits",
    "tool_overrides",
    "transport",
    "webhooks",
)

_NO_ITEMS: tuple[Any, ...] = ()
_LISTS = frozenset((list, tuple))
_MAPPINGS = frozenset((dict, ReadOnlyDict))
_STR = frozenset((str,))
_INTEGERS = frozenset((int, bool, IntLiteral))


class UnusualError(Exception):
    """A value is not of the usual types, and perhaps not of a right one."""


def plain(value: Any) -> Any:
    """A scalar without its subclass, such as that of an enum, which a document cannot hold."""
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, int) and type(value) not in _INTEGERS:
        return int(value)
    return value


def _items(values: Any, fits: Callable[[Any], bool]) -> Any:
    # The characters of a string and the keys of a mapping are not its items.
    if isinstance(values, str | bytes | Mapping) or not _is_iterable(values):
        raise UnusualError
    items = tuple(values)
    if all(map(fits, items)):
        return tuple(map(plain, items))
    raise UnusualError


def _is_iterable(values: Any) -> TypeGuard[Iterable[Any]]:
    return isinstance(values, Iterable)


def _members(values: Any, fits: Callable[[Any], bool]) -> Any:
    if not is_mapping(values) or not (all(map(_is_str, values)) and all(map(fits, values.values()))):
        raise UnusualError
    return ReadOnlyDict({plain(key): plain(value) for key, value in values.items()}) if values else EMPTY_DICT


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def strings(values: Iterable[str]) -> tuple[str, ...]:
    """A list of strings."""
    if values is _NO_ITEMS:
        return _NO_ITEMS
    if type(values) in _LISTS and _STR.issuperset(map(type, values)):
        return tuple(values)
    copy: tuple[str, ...] = _items(values, _is_str)
    return copy


def integers(values: Iterable[int]) -> tuple[int, ...]:
    """A list of integers."""
    copy: tuple[int, ...] = _items(values, _is_int)
    return copy


def middlewares(values: Iterable[MiddlewareConfig]) -> tuple[MiddlewareConfig, ...]:
    """A list of middleware."""
    copy: tuple[MiddlewareConfig, ...] = _objects(values, "MiddlewareConfig")
    return copy


def webhooks(values: Iterable[Webhook]) -> tuple[Webhook, ...]:
    """A list of webhooks."""
    copy: tuple[Webhook, ...] = _objects(values, "Webhook")
    return copy


def tool_limits(values: Iterable[ToolRateLimit]) -> tuple[ToolRateLimit, ...]:
    """A list of limits."""
    copy: tuple[ToolRateLimit, ...] = _objects(values, "ToolRateLimit")
    return copy


def _objects(values: Any, of: str) -> Any:
    if values is _NO_ITEMS:
        return values
    cls = class_named(of)
    return _items(values, lambda value: isinstance(value, cls))


def string_map(values: Mapping[str, str]) -> Mapping[str, str]:
    """A mapping to strings."""
    if values is EMPTY_DICT:
        return values
    if type(values) in _MAPPINGS and _STR.issuperset(map(type, values)) and _STR.issuperset(map(type, values.values())):
        return ReadOnlyDict(values)
    copy: Mapping[str, str] = _members(values, _is_str)
    return copy


def tool_overrides(values: Mapping[str, ToolOverride]) -> Mapping[str, ToolOverride]:
    """A mapping to overrides of tools."""
    if values is EMPTY_DICT:
        return values
    cls = class_named("ToolOverride")
    copy: Mapping[str, ToolOverride] = _members(values, lambda value: isinstance(value, cls))
    return copy


def json_value(value: Any) -> Any:
    """Any JSON value."""
    if value is None or type(value) is JsonObject:
        return value
    problems: list[Problem] = []
    copy = copy_tree(value, problems, frozen=True)
    if problems:
        raise UnusualError
    return copy


def json_object(value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A JSON object."""
    if value is None:
        return None
    copy: Mapping[str, Any] = json_value(value)
    if type(copy) is not JsonObject:
        raise UnusualError
    return copy


def json_list(values: Iterable[Any]) -> tuple[Any, ...]:
    """A list of JSON values."""
    if values is _NO_ITEMS:
        return _NO_ITEMS
    copy: tuple[Any, ...] = json_value(values)
    if type(copy) is not tuple:
        raise UnusualError
    return copy


def transport(value: TransportType | str) -> TransportType:
    """A transport by its name."""
    member = TRANSPORTS.get(value)
    if member is None:
        raise UnusualError
    return member
