"""The codec: a cattrs converter, and around it what cattrs does not do.

cattrs generates the functions that turn an object into an instance and back. Added here is that keys without a field
are kept, that saving keeps the order, the nulls and the explicit defaults of what was loaded, and that every problem is
reported with its path. Nothing is coerced: the hooks refuse whatever is not of its exact type, and then the thorough
way tells what it is.
"""

from __future__ import annotations

from functools import cache, cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from cattrs import Converter, override
from cattrs.gen import (
    make_dict_structure_fn_from_attrs,  # pyright: ignore[reportUnknownVariableType]  # not wholly annotated upstream
    make_dict_unstructure_fn_from_attrs,  # pyright: ignore[reportUnknownVariableType]  # not wholly annotated upstream
)

from workloads.config._base import ConfigObject
from workloads.config._hooks import DOUBTS, nested_hook, strict_hook, unstructure_hook
from workloads.config._messages import expected
from workloads.config._shape import shape_of
from workloads.config._tree import TOLD, Invalid, is_object, member_problems, thaw
from workloads.errors import Problem, RunConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads.config._shape import Field, Shape

__all__ = ("decode", "encode")

C = TypeVar("C", bound=ConfigObject)
_MOST_BUILDERS = 16
_REQUIRED = Invalid([Problem("", "required")])


def decode(cls: type[C], tree: Any, problems: list[Problem], source: str) -> C:
    """The instance that a tree describes. The tree belongs to the instance from now on.

    Args:
        cls: Its class.
        tree: The document.
        problems: What was already found to be wrong with the document.
        source: Where it is from, for messages.

    Raises:
        RunConfigError: It has problems.
    """
    if tree.__class__ is dict:
        result = _reader_of(cls)(tree, cls)
        if result.__class__ is cls and not problems:
            instance: C = result
            return instance
        if isinstance(result, Invalid):
            problems.extend(result.problems)
    elif not isinstance(tree, Invalid):
        problems.append(Problem("", expected("object", tree)))
    # What is too deep is found by each pass that meets it.
    raise RunConfigError(list(dict.fromkeys(problems)), source=source)


def encode(instance: ConfigObject) -> dict[str, Any]:
    """The tree of an instance, of which nothing is shared."""
    tree: dict[str, Any] = _converter().unstructure(instance)
    return tree


@cache
def _reader_of(cls: type[ConfigObject]) -> Callable[[Any, Any], Any]:
    return _converter().get_structure_hook(cls)


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False, prefer_attrib_converters=True)
    # The factories run when a class is first met: most documents need few classes.
    converter.register_structure_hook_factory(_is_config_class, _reader)
    converter.register_unstructure_hook_factory(_is_config_class, _writer)
    return converter


def _is_config_class(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, ConfigObject)


def _attributes(cls: type[ConfigObject], shape: Shape) -> list[attrs.Attribute[Any]]:
    # Every attribute gets its own hooks, so none needs its type, which would have to be imported.
    attributes = attrs.fields_dict(cls)
    return [attributes[field.name].evolve(type=None) for field in shape.fields]


def _reader(cls: type[ConfigObject], converter: Converter) -> Callable[[Any, Any], Any]:
    shape = shape_of(cls)
    current = _structure_function(cls, shape, converter, shape.by_wire)
    if (legacy := cls.__legacy_style__) is None:
        return current
    old = _structure_function(cls, shape, converter, {legacy.style.key(field.name): field for field in shape.fields})
    return lambda tree, cls: (old if is_object(tree) and legacy.marker in tree else current)(tree, cls)


def _structure_function(
    cls: type[ConfigObject], shape: Shape, converter: Converter, fields: Mapping[str, Field]
) -> Callable[[Any, Any], Any]:
    known = frozenset(fields)
    builders = _Builders(cls, shape, converter, fields)
    build_thoroughly = _thorough_function(cls, shape, converter, fields)
    has_cross_problems = cls.__cross_problems__ is not ConfigObject.__cross_problems__

    def structure(tree: Any, _: Any) -> Any:
        if tree.__class__ is not dict:
            return tree  # the check of the field it is for tells what is wrong
        document: dict[str, Any] = tree
        try:
            instance = builders[tuple(document)](document, None)
            problems = instance.__cross_problems__() if has_cross_problems else ()
        except DOUBTS:
            instance = build_thoroughly(document)
            problems = instance.problems if isinstance(instance, Invalid) else ()
        if not known.issuperset(document):
            unknown = {key: value for key, value in document.items() if key not in known}
            problems = [*problems, *member_problems(unknown)]
            if not problems and instance is not TOLD:
                vars(instance)["__unknown__"] = unknown
        if problems or instance is TOLD:
            return Invalid(problems)
        vars(instance)["__document__"] = document  # nobody else has the instance yet
        return instance

    return structure


class _Builders(dict[tuple[str, ...], "Callable[[Any, Any], Any]"]):
    """The generated functions, by the keys of the documents for which they build instances.

    A document has few of all the keys there are, and most documents have the same few: a function for just these is
    made and run in less time. Only the first sets of keys get one of their own, others share the one for all keys.
    """

    def __init__(
        self, cls: type[ConfigObject], shape: Shape, converter: Converter, fields: Mapping[str, Field]
    ) -> None:
        super().__init__()
        self._converter = converter
        self._instance_of = _unchecked(cls)
        self._attributes = dict(zip(fields, _attributes(cls, shape), strict=True))
        self._overrides: dict[str, Any] = {
            field.name: override(rename=wire, struct_hook=strict_hook(field, converter))
            for wire, field in fields.items()
        }

    def __missing__(self, keys: tuple[str, ...]) -> Callable[[Any, Any], Any]:
        if len(self) >= _MOST_BUILDERS or not self._attributes.keys() >= set(keys):
            return self._general
        wanted = [
            attribute
            for wire, attribute in self._attributes.items()
            if wire in keys or attribute.default is attrs.NOTHING
        ]
        self[keys] = builder = self._made(wanted)
        return builder

    @cached_property
    def _general(self) -> Callable[[Any, Any], Any]:
        return self._made([*self._attributes.values()])

    def _made(self, attributes: list[attrs.Attribute[Any]]) -> Callable[[Any, Any], Any]:
        builder: Callable[[Any, Any], Any] = make_dict_structure_fn_from_attrs(
            attributes, self._instance_of, self._converter, **self._overrides
        )
        return builder


def _unchecked(cls: type[ConfigObject]) -> Any:
    """What makes an instance of values that the hooks have converted and checked, without what a call does first."""

    def instance_of(**values: Any) -> ConfigObject:
        instance = cls.__new__(cls)
        # Instead of the initialiser, which would set every default: the class has them.
        object.__setattr__(instance, "__dict__", values)
        return instance

    return update_wrapper(instance_of, cls, updated=())


def _thorough_function(
    cls: type[ConfigObject], shape: Shape, converter: Converter, fields: Mapping[str, Field]
) -> Callable[[Mapping[str, Any]], Any]:
    """How documents are read in which something is not as usual: what is wrong with them is found, all of it."""
    nested = {wire: nested_hook(field, converter) for wire, field in fields.items() if field.kind.of}
    wires = {field.name: wire for wire, field in fields.items()}

    def build(document: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = {}
        for wire, field in fields.items():
            value = document.get(wire)
            if value is not None:  # a null means what a missing key means; only saving tells them apart
                values[field.name] = nested[wire](value) if wire in nested else value
            elif field.default is attrs.NOTHING:
                values[field.name] = _REQUIRED
        if problems := shape.problems(values, wires):
            return Invalid(problems)
        try:
            return cls(**values)
        except RunConfigError as error:
            return Invalid(error.problems)
        except DOUBTS:
            return TOLD  # it holds places that could not be read

    return build


def _writer(cls: type[ConfigObject], converter: Converter) -> Callable[[Any], dict[str, Any]]:
    shape = shape_of(cls)
    current = _unstructure_function(cls, shape, converter, shape.by_wire)
    if (legacy := cls.__legacy_style__) is None:
        return current
    old = _unstructure_function(cls, shape, converter, {legacy.style.key(field.name): field for field in shape.fields})
    return lambda instance: (old if legacy.marker in (instance.__document__ or ()) else current)(instance)


def _unstructure_function(
    cls: type[ConfigObject], shape: Shape, converter: Converter, fields: Mapping[str, Field]
) -> Callable[[Any], dict[str, Any]]:
    hooks = {wire: unstructure_hook(field, converter) for wire, field in fields.items()}
    overrides: dict[str, Any] = {
        field.name: override(rename=wire, unstruct_hook=hooks[wire]) for wire, field in fields.items()
    }
    values_of: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn_from_attrs(
        _attributes(cls, shape), cls, converter, **overrides
    )
    optional = {wire: field for wire, field in fields.items() if field.default is not attrs.NOTHING}
    # A required field has no default that its value could equal.
    defaults = dict.fromkeys(fields) | {wire: hooks[wire](field.default) for wire, field in optional.items()}
    always = frozenset(wire for wire, field in fields.items() if field.always or wire not in optional)

    def unstructure(instance: ConfigObject) -> dict[str, Any]:
        values = values_of(instance)
        if instance.__document__ is None:
            return {wire: value for wire, value in values.items() if wire in always or value != defaults[wire]}
        return _saved(instance.__document__, values, defaults, always)

    return unstructure


def _saved(
    document: Mapping[str, Any], values: Mapping[str, Any], defaults: Mapping[str, Any], always: frozenset[str]
) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for wire, loaded in document.items():
        if wire not in values:
            tree[wire] = thaw(loaded)
            continue
        value = values[wire]
        if value == defaults[wire] and loaded is None:
            tree[wire] = None
        elif value is not None or wire in always:
            tree[wire] = value
    return tree | {wire: value for wire, value in values.items() if wire not in document and value != defaults[wire]}
