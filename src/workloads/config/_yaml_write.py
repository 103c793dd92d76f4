"""Trees to YAML text that every reader takes for the same tree, those of YAML 1.1 too."""

from __future__ import annotations

import re
from typing import Any

import yaml

from workloads.config._numbers import FloatLiteral, IntLiteral, yaml_number
from workloads.config._yaml_schema import FLOAT, INT

__all__ = ("write",)

_TAG = "tag:yaml.org,2002:"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the signature of the base
        """Write every value out."""
        return True


def _string(dumper: Any, text: str) -> yaml.ScalarNode:
    # Escapes are the only form in which any text at all comes back unchanged; without a style, PyYAML chooses by
    # what a plain scalar would mean.
    node: yaml.ScalarNode = dumper.represent_scalar(_TAG + "str", text, style=None if text.isprintable() else '"')
    return node


def _number(dumper: Any, value: float) -> yaml.ScalarNode:
    text = yaml_number(value)
    node: yaml.ScalarNode = dumper.represent_scalar(_TAG + ("int" if INT.fullmatch(text) else "float"), text)
    return node


for number in (int, float, IntLiteral, FloatLiteral):
    _Dumper.add_representer(number, _number)
_Dumper.add_representer(str, _string)

_dumper: Any = _Dumper  # whose method is not annotated
# PyYAML knows what YAML 1.1 takes for a number or a bool. With what YAML 1.2 does in addition, and the single letters
# that some readers of 1.1 take for a bool, it quotes every string that could be mistaken.
_dumper.add_implicit_resolver(_TAG + "int", re.compile(f"(?:{INT.pattern})$"), list("-+0123456789"))
_dumper.add_implicit_resolver(_TAG + "float", re.compile(f"(?:{FLOAT.pattern})$"), list("-+.0123456789"))
_dumper.add_implicit_resolver(_TAG + "bool", re.compile("[yYnN]$"), list("yYnN"))


def write(tree: Any) -> str:
    """The YAML text of a tree, with a line end after it."""
    text: str = yaml.dump(
        tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=float("inf")
    )
    return text
