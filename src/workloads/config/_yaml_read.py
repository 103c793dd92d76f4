"""YAML text to trees.

PyYAML reads the syntax and gives events; what they mean is decided here, because its own answer is YAML 1.1, in which
``no`` is false and ``2222:22`` a number. Nothing here recurses.
"""

from __future__ import annotations

from typing import Any

import yaml

from workloads.config._numbers import FloatLiteral, IntLiteral
from workloads.config._text import as_text
from workloads.config._tree import DOCUMENT_DEPTH, TOLD, TOO_DEEP, Foreign, MarkedDict, copy_document
from workloads.config._yaml_schema import resolve
from workloads.errors import Problem

__all__ = ("MAX_ALIASED", "parse")

MAX_ALIASED = 10_000
"""How many values the aliases of a document may repeat, all together. More are only ever an attack."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# libyaml reads ahead for the end of a key, and from 0.2.6 on has a limit of its own, beyond ours, that it meets first.
_SCANNER_TOO_DEEP = "exceeded maximum nesting depth"
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int, IntLiteral),
    "float": (float, FloatLiteral),
}


class _RefusedError(Exception):
    """The document cannot be read further."""


class _Frame:
    """An object or a list that is being read."""

    __slots__ = ("anchor", "is_object", "items", "size", "tag")

    def __init__(self, event: yaml.CollectionStartEvent) -> None:
        self.is_object = isinstance(event, yaml.MappingStartEvent)
        self.anchor: str | None = event.anchor
        self.tag: str | None = event.tag
        self.items: list[Any] = []  # of an object: key, value, key, value
        self.size = 1

    def value(self) -> Any:
        """What was read."""
        if self.tag not in (None, "!", _TAG + ("map" if self.is_object else "seq")):
            return _unsupported(self.tag)
        if not self.is_object:
            return self.items
        return MarkedDict.of([(_key(key), value) for key, value in zip(*[iter(self.items)] * 2, strict=True)])


class _Builder:
    """Makes a tree of events."""

    def __init__(self) -> None:
        self.tree: Any = None
        self.documents = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliased = 0

    def add(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            _RefusedError: The document asks for something that is not supported.
        """
        if isinstance(event, yaml.ScalarEvent):
            self._place(_scalar(event), 1, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._stack) >= DOCUMENT_DEPTH:
                raise _RefusedError(TOO_DEEP)
            self._stack.append(_Frame(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            self._place(frame.value(), frame.size, frame.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._repeat(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _RefusedError("holds more than one document")

    def _place(self, value: Any, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if self._stack:
            self._stack[-1].items.append(value)
            self._stack[-1].size += size
        else:
            self.tree = value

    def _repeat(self, event: yaml.AliasEvent) -> None:
        # An object or list is known only when it has ended, so none can hold itself.
        if event.anchor not in self._anchors:
            mark: Any = event.start_mark
            raise _RefusedError(f"line {mark.line + 1}: an alias of nothing that was read before")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise _RefusedError(f"its aliases repeat more than {MAX_ALIASED} values")
        self._place(value, size, None)


def parse(document: str | bytes, problems: list[Problem]) -> Any:
    """The tree of a YAML document; what is wrong with it is added to ``problems``."""
    text = as_text(document, problems)
    if text is None:
        return TOLD
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.add(event)
    except _RefusedError as refusal:
        problems.append(Problem("", str(refusal)))
        return TOLD
    except yaml.MarkedYAMLError as error:
        if error.problem == _SCANNER_TOO_DEEP:
            problems.append(Problem("", TOO_DEEP))
            return TOLD
        # Its text would quote a piece of the document.
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1} column {mark.column + 1}: " if mark is not None else ""
        problems.append(Problem("", f"not YAML: {where}{error.problem or error.context}"))
        return TOLD
    except yaml.reader.ReaderError as error:
        problems.append(Problem("", f"not YAML: character {error.position} is not allowed"))
        return TOLD
    if not builder.documents:
        problems.append(Problem("", "holds no document"))
        return TOLD
    return copy_document(builder.tree, problems)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if event.tag is None:
        return resolve(text) if event.implicit[0] else text
    if event.tag in ("!", _TAG + "str"):
        return text
    value = resolve(text)
    fits = _TYPES.get(event.tag.removeprefix(_TAG), ())
    # By the exact type, because a bool is an int to isinstance.
    return value if type(value) in fits else _unsupported(event.tag)


def _key(key: Any) -> Any:
    if isinstance(key, list | MarkedDict):
        return Foreign(f"expected str as key, got {'a list' if isinstance(key, list) else 'an object'}")
    return key


def _unsupported(tag: str | None) -> Foreign:
    return Foreign(f"the tag {tag} is not supported")
