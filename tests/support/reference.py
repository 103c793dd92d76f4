"""The pages of the documentation that are made from the code.

``python -m tests.support.reference`` writes them anew.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

import workloads.config
from workloads._core.variables import VARIABLES, Variable
from workloads.config import ConfigObject, RunConfig, protections
from workloads.config._additive_keys import AdditiveKeys
from workloads.config._shape import Field, shape_of
from workloads.config._toolhive_keys import ToolHiveKeys
from workloads.runtimes.process import admission, environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCS = Path(__file__).parents[2] / "docs"


def pages() -> dict[Path, str]:
    """Every page that is made, with its text."""
    return {DOCS / "run-config.md": run_config_page(), DOCS / "environment.md": environment_page()}


def run_config_page() -> str:
    """Every key of a run config, and of the objects inside of it."""
    toolhive, additive = shape_of(ToolHiveKeys).by_wire, shape_of(AdditiveKeys).by_wire
    parts = [
        "# Run configs",
        _INTRODUCTION,
        "## Keys that ToolHive knows, too",
        *_keys(ToolHiveKeys, toolhive.values()),
        "## Keys of this library",
        "ToolHive passes over them.",
        *_keys(AdditiveKeys, [field for wire, field in additive.items() if wire not in toolhive]),
        "## What is refused",
        (
            f"This version refuses to run what asks for {_listed(protections.UNSUPPORTED)}, an enabled `audit_config`,"
            " or middleware that it does not have, rather than to run it without."
        ),
        (
            f"The runtime `process` refuses {_listed(admission.REFUSED_KEYS)}, a permission profile that allows less"
            " than every connection, and images other than `uvx://` and `npx://` packages. `workloads validate` tells"
            " all of it."
        ),
        "## Objects inside of it",
    ]
    for cls in _nested(RunConfig):
        parts += [f"### {cls.__name__}", _summary(cls), *_keys(cls, shape_of(cls).fields)]
    return _page(parts)


def environment_page() -> str:
    """Every variable that is read, and what servers get."""
    own = [variable for variable in VARIABLES if variable.names[0].startswith("WORKLOADS_")]
    others = [variable for variable in VARIABLES if variable not in own]
    inherited, prefixes = _listed(environment.INHERITED), _listed(environment.INHERITED_PREFIXES)
    parts = [
        "# Environment variables",
        "Arguments and options go before all of them, and one that is empty counts as not set.",
        "## Read by this library",
        "Where ToolHive has a variable of the same meaning it is read, too, when ours is not set.",
        _table(("variable", "else", "what it says", "without it"), map(_own_row, own)),
        "## Read as well",
        _table(("variable", "what it says", "without it"), map(_row, others)),
        "`NO_COLOR`, `FORCE_COLOR` and `COLUMNS` count for what the command prints.",
        "## What a server of the process runtime gets",
        (
            f"Its environment is built from nothing. Of the caller's it has {inherited}, what begins with {prefixes},"
            " and what ends with `_PROXY`. Then come, later ones winning, the variables below,"
            " `runtime_config.runtime_env`, `env_vars` and the secrets of its run config."
        ),
        _table(("variable", "what it says"), _FOR_SERVERS),
    ]
    return _page(parts)


_INTRODUCTION = """
A run config is one JSON or YAML object. The keys below are those of `RunConfig`'s fields, too. All but `name` may be
left out; a key that is missing means its default, and keys that are not listed are kept as they are.

Of a run config made in Python, keys in **bold** are always written, the others when they are not the default; one that
was read is written as it was. Types are those of JSON; a *Go duration* is a text such as `90s` or `1h30m`.
""".strip()

_FOR_SERVERS = [
    ("`MCP_TRANSPORT`", "how it shall talk: `stdio`, `sse` or `streamable-http`"),
    ("`MCP_HOST`", "the address to listen on; not for `stdio`"),
    ("`MCP_PORT`, `FASTMCP_PORT`", "the port to listen on; not for `stdio`"),
]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(["<!-- Made from the code by python -m tests.support.reference -->", *parts]) + "\n"


def _own_row(variable: Variable) -> tuple[str, ...]:
    suffix = "<name>" if variable.names[0].endswith("_") else ""
    names = [f"`{name}{suffix}`" for name in variable.names]
    own = [name for name in names if name.startswith("`WORKLOADS_")]
    theirs = [name for name in names if name not in own]
    return ", ".join(own), ", ".join(theirs) or "-", variable.meaning, variable.default


def _row(variable: Variable) -> tuple[str, ...]:
    return ", ".join(f"`{name}`" for name in variable.names), variable.meaning, variable.default


def _nested(cls: type[ConfigObject]) -> list[type[ConfigObject]]:
    """The classes of the objects inside of one, each after the first that has it."""
    found: dict[type[ConfigObject], None] = {}
    for field in shape_of(cls).fields:
        if field.kind.of:
            inner = getattr(workloads.config, field.kind.of)
            found |= dict.fromkeys([inner, *_nested(inner)])
    return list(found)


def _keys(cls: type[ConfigObject], fields: Iterable[Field]) -> Iterator[str]:
    meanings = _meanings(cls)
    rows = [(_key(field), _type(field), *_split(meanings[field.name])) for field in fields]
    yield _table(("key", "type", "what it says", "default"), rows)


def _key(field: Field) -> str:
    return f"**`{field.wire}`**" if field.always or field.default is attrs.NOTHING else f"`{field.wire}`"


def _type(field: Field) -> str:
    """The type of a field in the words of JSON."""
    annotation = field.annotation.removesuffix(" | None")
    if annotation.startswith("Literal["):
        return "one of " + ", ".join(f"`{value or chr(34) * 2}`" for value in re.findall(r'"([^"]*)"', annotation))
    if annotation == "TransportType":
        return "one of " + ", ".join(f"`{member}`" for member in workloads.TransportType)
    if field.kind.of:
        link = f"[{field.kind.of}](#{field.kind.of.lower()})"
        return {"tuple": f"list of {link}", "Mapping": f"object of {link}"}.get(annotation.partition("[")[0], link)
    return _WORDS[annotation]


_WORDS = {
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "int | str": "integer or string",
    "tuple[str, ...]": "list of strings",
    "tuple[int, ...]": "list of integers",
    "Mapping[str, str]": "object of strings",
    "Mapping[str, Any]": "object",
    "Any": "any",
    "tuple[Any, ...]": "list",
}


_IN_JSON = {"None": "`null`", "True": "`true`", "False": "`false`"}


def _meanings(cls: type[ConfigObject]) -> dict[str, str]:
    """What the docstrings of a class and of its bases say of each field, on one line."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2]
        for name, meaning in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE):
            found[name] = " ".join(meaning.split())
    return found


def _split(meaning: str) -> tuple[str, str]:
    """What a field means, and what it is when it is missing."""
    if meaning.endswith(" Required."):
        return _markdown(meaning.removesuffix(" Required.")), "required"
    before, _, rest = meaning.partition("Default: ")
    # What follows the default is told with the meaning.
    match = re.fullmatch(r"(.*?)\.(?: ([A-Z].*))?", rest)
    assert match is not None, meaning
    default = re.sub(r"^(None|True|False)\b", lambda word: _IN_JSON[word[0]], match[1])
    return _markdown(f"{before}{match[2] or ''}".strip()), _markdown(default)


def _summary(cls: type[ConfigObject]) -> str:
    return _markdown(" ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split()))


def _markdown(text: str) -> str:
    text = re.sub(r":(?:class|meth|func):`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`").replace("|", "\\|")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
