"""How the codec reads and writes values of each kind of field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cattrs.fns import identity as unchanged

from workloads._core.collections import ReadOnlyDict
from workloads.config._convert import UnusualError
from workloads.config._kinds import TRANSPORTS, Form, class_named
from workloads.config._tree import freeze_tree, is_list, is_object, thaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

    from workloads.config._shape import Field

__all__ = ("DOUBTS", "nested_hook", "strict_hook", "unstructure_hook")

DOUBTS = (UnusualError, AttributeError, KeyError, TypeError)
"""What the quick way of reading raises for whatever is not as usual. The thorough way then tells what it is."""


def nested_hook(field: Field, converter: Converter) -> Callable[[Any], Any]:
    """How an object, or several, are read: what cannot be read is returned as it is or as Invalid."""
    function: Callable[[Any, Any], Any] | None = None

    def one(value: Any) -> Any:
        nonlocal function
        if function is None:  # at the first use: most documents need few classes
            function = converter.get_structure_hook(class_named(field.kind.of))
        return function(value, None)

    match field.kind.form:
        case Form.OBJECT:
            return one
        case Form.OBJECTS:
            return lambda value: [one(item) for item in value] if is_list(value) else value
        case _:
            return lambda value: {key: one(item) for key, item in value.items()} if is_object(value) else value


def strict_hook(field: Field, converter: Converter) -> Callable[[Any, Any], Any]:
    """How a value is read when all is as usual; anything else raises one of the doubts."""
    match field.kind.form:
        case Form.PLAIN:
            return _strict_plain(field)
        case Form.ENUM:
            return lambda value, _: TRANSPORTS[value]
        case Form.LIST:
            return _strict_list(field)
        case Form.MAP:
            return _strict_map(field)
        case Form.TREE:
            return _strict_tree(field)
        case Form.OBJECT:
            return _strict_object(field.kind.of, converter)
        case Form.OBJECTS:
            return _strict_objects(field.kind.of, converter)
        case Form.OBJECT_MAP:
            return _strict_object_map(field.kind.of, converter)


def _strict_tree(field: Field) -> Callable[[Any, Any], Any]:
    types = field.kind.types

    def hook(value: Any, _: Any) -> Any:
        tree = freeze_tree(value)
        if not types or type(tree) in types:
            return tree
        raise UnusualError

    return hook


def _strict_object(of: str, converter: Converter) -> Callable[[Any, Any], Any]:
    cls: type[Any] | None = None
    read: Callable[[Any, Any], Any] | None = None

    def hook(value: Any, _: Any) -> Any:
        nonlocal cls, read
        if value is None:
            return None
        if read is None:  # at the first use: most documents need few classes
            cls = class_named(of)
            read = converter.get_structure_hook(cls)
        instance = read(value, cls)
        if type(instance) is cls:
            return instance
        raise UnusualError

    return hook


def _strict_objects(of: str, converter: Converter) -> Callable[[Any, Any], Any]:
    one = _strict_object(of, converter)

    def hook(values: Any, _: Any) -> Any:
        if values.__class__ is list and None not in values:
            return tuple([one(value, None) for value in values])
        raise UnusualError

    return hook


def _strict_object_map(of: str, converter: Converter) -> Callable[[Any, Any], Any]:
    one = _strict_object(of, converter)

    def hook(values: Any, _: Any) -> Any:
        if values.__class__ is dict and None not in values.values():
            return ReadOnlyDict({key: one(value, None) for key, value in values.items()})
        raise UnusualError

    return hook


def _strict_plain(field: Field) -> Callable[[Any, Any], Any]:
    default, rule, types = field.default, field.rule, field.kind.types
    usual = next(iter(types))

    def of_type(value: Any, _: Any) -> Any:
        if type(value) is usual or type(value) in types:
            return value
        raise UnusualError

    if rule is None:
        return of_type

    def accepted(value: Any, _: Any) -> Any:
        if type(value) in types and (value == default or rule.accepts(value)):
            return value
        raise UnusualError

    return accepted


def _strict_list(field: Field) -> Callable[[Any, Any], Any]:
    rule, of_right_type = field.rule, field.kind.types.issuperset

    def of_type(values: Any, _: Any) -> Any:
        if values.__class__ is list and of_right_type(map(type, values)):
            return tuple(values)
        raise UnusualError

    if rule is None:
        return of_type

    def accepted(values: Any, _: Any) -> Any:
        if values.__class__ is list and of_right_type(map(type, values)) and (not values or rule.accepts(values)):
            return tuple(values)
        raise UnusualError

    return accepted


def _strict_map(field: Field) -> Callable[[Any, Any], Any]:
    rule, of_right_type = field.rule, field.kind.types.issuperset

    def hook(values: Any, _: Any) -> Any:
        # The keys of a document are always strings.
        if of_right_type(map(type, values.values())) and (rule is None or not values or rule.accepts(values)):
            return ReadOnlyDict(values)
        raise UnusualError

    return hook


def unstructure_hook(field: Field, converter: Converter) -> Callable[[Any], Any]:
    """How a value is written."""
    match field.kind.form:
        case Form.PLAIN:
            return unchanged
        case Form.ENUM:
            return str
        case Form.LIST:
            return list
        case Form.MAP:
            return dict
        case Form.TREE:
            return thaw
        case Form.OBJECT:
            return lambda value: None if value is None else converter.unstructure(value)
        case Form.OBJECTS:
            return lambda values: [converter.unstructure(value) for value in values]
        case Form.OBJECT_MAP:
            return lambda values: {key: converter.unstructure(value) for key, value in values.items()}
