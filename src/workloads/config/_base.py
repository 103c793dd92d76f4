"""What all config classes share: being checked, printed, changed, and read and written as JSON or YAML."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._convert import UnusualError, plain
from workloads.config._shape import keep_converters, shape_of
from workloads.config._styles import Style
from workloads.config._tree import identity, is_object
from workloads.errors import RunConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads.config._styles import LegacyStyle
    from workloads.errors import Problem

__all__ = ("CheckedType", "ConfigObject")


class CheckedType(type):
    """The class of config classes: calling one checks what it is given, and raises an error that lists every problem.

    It is not done by the initialiser, because the codec has already converted and checked what it builds instances of.
    """

    if not TYPE_CHECKING:  # type checkers shall see the initialiser's signature

        def __call__(cls, *args: Any, **values: Any) -> Any:
            """An instance with these values, by the fields' names."""
            shape = shape_of(cls)
            for name, value in values.items():
                # What cannot be converted has a problem, which is found next.
                with suppress(UnusualError):
                    values[name] = shape.converters.get(name, plain)(value)
            if problems := shape.problems(values):
                raise RunConfigError(problems)
            instance = super().__call__(*args, **values)
            if problems := instance.__cross_problems__():
                raise RunConfigError(problems)
            return instance

        @property
        def __signature__(cls) -> Any:
            # For help() and the like, which would show the one above.
            from inspect import signature

            _, *parameters = signature(cls.__init__).parameters.values()
            return signature(cls.__init__).replace(parameters=parameters)


@attrs.frozen(kw_only=True, eq=False, repr=False, field_transformer=keep_converters, slots=False)
class ConfigObject(metaclass=CheckedType):
    """The base of :class:`~workloads.config.RunConfig` and of every object inside of it.

    Instances are immutable and hashable. Two are equal if their fields are and if they carry the same keys that this
    version does not know; whether a default was written out or left out makes no difference.
    """

    __wire_style__: ClassVar[Style] = Style.SNAKE_CASE
    __legacy_style__: ClassVar[LegacyStyle | None] = None

    # What this was read from, if it was: saving keeps its order, its nulls and its explicit defaults.
    __document__: Mapping[str, Any] | None = attrs.field(default=None, alias="__document__", eq=False)
    # The part of it that has no field. It takes part in comparisons, and so survives whatever a field survives.
    __unknown__: Mapping[str, Any] = attrs.field(default=EMPTY_DICT, alias="__unknown__", eq=identity)

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        # An instance that the codec makes has only the attributes that its document has; the others are found here.
        for field in attrs.fields(cls):
            if field.default is not attrs.NOTHING:
                setattr(cls, field.name, field.default)

    def __cross_problems__(self) -> Sequence[Problem]:
        """What is wrong between fields that are each valid."""
        return ()

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={_hidden(value) if field.hidden else repr(value)}"
            for field in shape_of(type(self)).fields
            if (value := getattr(self, field.name)) != field.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def evolve(self, **changes: Any) -> Self:
        """A copy with some fields changed. Keys that have no field are kept.

        Args:
            changes: New values by field name, as the constructor takes them.

        Raises:
            RunConfigError: The result would not be valid.
        """
        return attrs.evolve(self, **changes)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, source: str = "") -> Self:
        """Read parsed JSON or YAML.

        Args:
            document: The object; it is copied.
            source: Where it is from, for messages.

        Raises:
            RunConfigError: It has problems; all are listed.
        """
        from workloads.config._codec import decode
        from workloads.config._tree import copy_document

        problems: list[Problem] = []
        return decode(cls, copy_document(document, problems), problems, source)

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "") -> Self:
        """Read JSON.

        Args:
            text: The document; bytes are UTF-8.
            source: Where it is from, such as a file's path, for messages.

        Raises:
            RunConfigError: It has problems; all are listed.
        """
        decode, parse = _json_reader()
        problems: list[Problem] = []
        instance: Self = decode(cls, parse(text, problems), problems, source)
        return instance

    @classmethod
    def from_yaml(cls, text: str | bytes, *, source: str = "") -> Self:
        """Read YAML 1.2 (core schema): ``no``, ``on``, ``2222:22`` and dates are strings.

        Args:
            text: The document; bytes are UTF-8.
            source: Where it is from, such as a file's path, for messages.

        Raises:
            RunConfigError: It has problems; all are listed.
        """
        from workloads.config._codec import decode
        from workloads.config._yaml_read import parse

        problems: list[Problem] = []
        return decode(cls, parse(text, problems), problems, source)

    def to_dict(self) -> dict[str, Any]:
        """The document, made of plain dicts and lists that the caller may change.

        What was loaded gives the same tree again: the order of keys, number literals (numbers that need it are
        subclasses that remember their text), keys without a field, nulls and explicit defaults. Other fields follow
        if they are not the default.
        """
        from workloads.config._codec import encode

        return encode(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """The document as JSON, see :meth:`to_dict`.

        Args:
            indent: Spaces per level; None writes one line.
        """
        from workloads.config._json import write

        return write(self.to_dict(), indent)

    def to_yaml(self) -> str:
        """The document as YAML, see :meth:`to_dict`.

        Strings that a reader, of YAML 1.1 too, could take for something else are quoted.
        """
        from workloads.config._yaml_write import write

        return write(self.to_dict())


@cache
def _json_reader() -> tuple[Any, Any]:
    # Kept, because an import statement takes its time even when nothing is left to import.
    from workloads.config._codec import decode
    from workloads.config._json import parse

    return decode, parse


def _hidden(value: Any) -> str:
    return f"<hidden: {', '.join(value)}>" if is_object(value) else "<hidden>"
