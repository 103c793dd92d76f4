"""What a config class looks like on the wire, and what makes its values valid.

A class declares its fields with attrs. The annotation says the type, the field's ``metadata`` the rest:

* ``wire``: the key, where the class' own way of naming would give another;
* ``always``: the key is written even if the value is the default;
* ``hidden``: the value is not shown in a ``repr``; ``quiet``: nor in a message;
* ``rule``: what the value must fulfil beyond its type, see :mod:`workloads.config._rules`.
"""

from __future__ import annotations

from inspect import get_annotations
from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads.config._kinds import kind_of
from workloads.config._paths import join
from workloads.config._tree import Invalid
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workloads.config._rules import Rule
    from workloads.config._styles import Style

__all__ = ("ALWAYS", "HIDDEN", "QUIET", "SECRET", "Field", "Shape", "keep_converters", "shape_of")

ALWAYS: Mapping[str, Any] = {"always": True}
HIDDEN: Mapping[str, Any] = {"hidden": True}
QUIET: Mapping[str, Any] = {"quiet": True}
SECRET: Mapping[str, Any] = {**HIDDEN, **QUIET}


def keep_converters(_: type, attributes: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Take the converters out of the initialiser, which would run them for defaults too.

    For attrs. They are run before it instead, for what is given, see :class:`~workloads.config._base.CheckedType`.
    """

    def without(attribute: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
        converter = cast("Any", attribute).converter
        # Inherited attributes come through here again, already without.
        return attribute.evolve(converter=None, metadata={"converter": converter, **attribute.metadata})

    return [without(attribute) for attribute in attributes]


class Field:
    """One field of a class.

    Attributes:
        name: The attribute.
        annotation: Its type, as written.
        wire: The key in a document.
        default: What a missing key means; ``attrs.NOTHING`` if it may not be missing.
        converter: What turns a given value into that of the attribute, if anything does.
        kind: Its type.
        always: Whether it is written even if it is the default.
        hidden: Whether a ``repr`` must not show it.
        quiet: Whether messages must not show it.
        rule: What it must fulfil beyond its type.
    """

    __slots__ = ("always", "annotation", "converter", "default", "hidden", "kind", "name", "quiet", "rule", "wire")

    def __init__(self, attribute: attrs.Attribute[Any], annotation: str, wire: str) -> None:
        metadata = attribute.metadata
        self.name = attribute.name
        self.annotation = annotation
        self.wire: str = metadata.get("wire", wire)
        self.default: Any = attribute.default
        self.converter: Callable[[Any], Any] | None = metadata["converter"]
        self.kind = kind_of(annotation)
        self.always: bool = metadata.get("always", False)
        self.hidden: bool = metadata.get("hidden", False)
        self.quiet: bool = metadata.get("quiet", False)
        self.rule: Rule | None = metadata.get("rule")

    def problems(self, value: Any, wire: str) -> list[Problem]:
        """What is wrong with a value of this field, which is under the key ``wire``."""
        found: Sequence[Problem]
        if isinstance(value, Invalid):
            found = value.problems
        else:
            found = self.kind.check(value, self.quiet)
            if not found and self.rule is not None and value != self.default:
                found = self.rule.problems(value)
        return [Problem(join(wire, problem.path), problem.message) for problem in found]


class Shape:
    """The fields of a class, ready for checking, reading and writing.

    Attributes:
        fields: All of them, in the order in which new ones are written.
        by_wire: The same by their keys.
        converters: Their converters by their names.
    """

    __slots__ = ("by_wire", "converters", "fields")

    def __init__(self, cls: type[attrs.AttrsInstance], style: Style) -> None:
        annotations: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            # As written: resolving them would import every class that is named.
            annotations.update(get_annotations(base))
        self.fields = tuple(
            Field(attribute, annotations[attribute.name], style.key(attribute.name))
            for attribute in attrs.fields(cls)
            if not attribute.name.startswith("__")
        )
        self.by_wire = {field.wire: field for field in self.fields}
        self.converters = {field.name: field.converter for field in self.fields if field.converter is not None}

    def problems(self, values: Mapping[str, Any], wires: Mapping[str, str] | None = None) -> list[Problem]:
        """What is wrong with values given for some of the fields.

        Args:
            values: The values by the fields' names.
            wires: The keys of a document by the fields' names, where they are other than usual.
        """
        given = [(field, wires[field.name] if wires else field.wire) for field in self.fields if field.name in values]
        return [problem for field, wire in given for problem in field.problems(values[field.name], wire)]


_SHAPES: dict[type[Any], Shape] = {}


def shape_of(cls: type[Any]) -> Shape:
    """The shape of a config class; made when it is first needed."""
    shape = _SHAPES.get(cls)
    if shape is None:
        shape = _SHAPES[cls] = Shape(cls, cls.__wire_style__)
    return shape
