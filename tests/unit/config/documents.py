"""Documents to try the codec with: an exported one, and strategies that know the schema from the classes themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from workloads.config import RunConfig
from workloads.config._kinds import Form, class_named
from workloads.config._shape import Field, shape_of

EXPORTED = (Path(__file__).parent / "data" / "exported.json").read_text()


def exact(text: str) -> Any:
    """A JSON text as a tree that tells apart what Python's equality does not: literals, types, the order of keys."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: ("object", pairs),
        parse_int=lambda literal: ("number", literal),
        parse_float=lambda literal: ("number", literal),
    )


def same_numbers(text: str) -> Any:
    """The same, except that numbers are compared by their exact values."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs), parse_int=Decimal, parse_float=Decimal)


# Text without what no JSON or YAML document can hold.
texts = st.text(max_size=12)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)

# What the grammars of single fields allow.
_VALID: dict[str, Any] = {
    "name": names,
    "base_name": names,
    "group": names,
    "depends_on": st.lists(names, max_size=2),
    "transport": st.sampled_from(["stdio", "sse", "streamable-http", "inspector"]),
    "proxy_mode": st.sampled_from(["", "sse", "streamable-http"]),
    "port": st.integers(0, 65535),
    "target_port": st.integers(0, 65535),
    "callback_port": st.integers(0, 65535),
    "cached_dcr_callback_port": st.integers(0, 65535),
    "allow_port": st.lists(st.integers(0, 65535), max_size=3),
    "publish": st.lists(st.sampled_from(["80", "19090:9090", "0:1"]), max_size=2),
    "secrets": st.lists(st.sampled_from(["a,target=A", "b c,target=B=C"]), max_size=2),
    "volumes": st.lists(st.sampled_from(["/a:/b", "./a:/b:ro", "/a"]), max_size=2),
    "read": st.lists(st.sampled_from(["/a", "/a:/b", "volume://x:/b", "."]), max_size=2),
    "write": st.lists(st.sampled_from(["/a", "/a:/b", "volume://x:/b"]), max_size=2),
    "container_labels": st.dictionaries(
        st.sampled_from(["team", "example.org/team", "toolhive-name"]), st.sampled_from(["", "a", "a.b"]), max_size=2
    ),
    "session_ttl": st.sampled_from(["", "0", "90m", "1h30m", "1.5h"]),
    "idle_timeout": st.sampled_from(["", "10s"]),
    "ready_timeout": st.sampled_from(["", "10s"]),
    "drain_timeout": st.sampled_from(["", "10s"]),
    "timeout": st.integers(0, 10**12),
    "memory": st.sampled_from(["", "512m", "1024"]),
    "cpus": st.sampled_from(["", "2", "0.5"]),
    "user": st.sampled_from(["", "1000", "1000:1000", "www-data"]),
    "sleep_mode": st.sampled_from(["", "stop", "suspend"]),
    "stdio_mode": st.sampled_from(["", "shared", "per-session"]),
    "restart": st.sampled_from(["", "no", "on-failure", "always"]),
    "pull": st.sampled_from(["", "always", "missing", "never"]),
    "allowed_hosts": st.lists(st.sampled_from(["example.org", "example.org:80"]), max_size=2),
    "pids": st.integers(0, 1000),
    "additional_packages": st.lists(st.sampled_from(["git", "g++", "a.b_c-d+e"]), max_size=2),
    "runtime_env": st.dictionaries(st.sampled_from(["A", "A_1"]), texts, max_size=2),
    # The same under both keys, or they would contradict each other.
    "backend_replicas": st.just(3) | st.none(),
}
_PLAIN = {str: texts, int: st.integers(-(2**31), 2**31 - 1), bool: st.booleans(), type(None): st.none()}


def documents(cls: type[Any] = RunConfig, *, unknown: bool = True, nulls: bool = True) -> st.SearchStrategy[Any]:
    """Valid documents of a config class, with keys in any order, keys without a field, and nulls."""
    return _documents(cls, unknown, nulls)


@st.composite
def _documents(draw: st.DrawFn, cls: type[Any], unknown: bool, nulls: bool) -> dict[str, Any]:
    fields = shape_of(cls).by_wire
    required = {"name"} if cls is RunConfig else {"type"} & fields.keys()
    if cls.__name__ == "ToolOverride":
        required = {"name"}
    chosen = draw(st.sets(st.sampled_from(sorted(fields)), max_size=12)) | required
    document = {wire: draw(_values(fields[wire], unknown, nulls and wire not in required)) for wire in chosen}
    if cls.__name__ == "ToolOverride":
        document["name"] = "find"
    if unknown:
        # One key tells that all others go by old names, so it is none without a meaning.
        meant = fields.keys() | ({cls.__legacy_style__.marker} if cls.__legacy_style__ else set())
        document |= draw(st.dictionaries(texts.filter(lambda key: key not in meant), values, max_size=2))
    return dict(draw(st.permutations(list(document.items()))))


def _values(field: Field, unknown: bool, nulls: bool) -> st.SearchStrategy[Any]:
    strategy = _valid(field, unknown, nulls)
    return strategy | st.none() if nulls else strategy


def _valid(field: Field, unknown: bool, nulls: bool) -> st.SearchStrategy[Any]:
    if field.wire in _VALID and field.kind.form is not Form.TREE and field.kind.form is not Form.OBJECT:
        return _VALID[field.wire]
    nested = st.deferred(lambda: _documents(class_named(field.kind.of), unknown, nulls))
    match field.kind.form:
        case Form.PLAIN:
            return st.one_of(*(_PLAIN[kind] for kind in sorted(field.kind.types, key=str) if kind is not type(None)))
        case Form.LIST:
            return st.lists(texts, max_size=2)
        case Form.MAP:
            return st.dictionaries(texts, texts, max_size=2)
        case Form.TREE:
            if field.kind.types == {tuple}:
                return st.lists(values, max_size=2)
            return st.dictionaries(texts, values, max_size=2) if field.kind.types else values
        case Form.OBJECT:
            return nested
        case Form.OBJECTS:
            return st.lists(nested, max_size=2)
        case Form.OBJECT_MAP:
            return st.dictionaries(texts, nested, max_size=2)
    raise AssertionError(field.kind.form)
