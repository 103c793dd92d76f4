"""What a field's value must fulfil beyond its type.

Most values are usual ones, which one quick test accepts. Only the others are really parsed, which tells what is wrong
with them if anything is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workloads.config._messages import describe, expected, got
from workloads.config._paths import join, segment_text
from workloads.config.grammars import check_label, parse_mount, parse_publish, parse_secret, parse_volume
from workloads.config.names import check_group_name, check_workload_name
from workloads.errors import InvalidNameError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = (
    "DURATION",
    "GROUP",
    "INT32",
    "INT64",
    "LABELS",
    "MOUNTS",
    "NAME",
    "NAMES",
    "PORT",
    "PORTS",
    "PUBLISHED",
    "SECRETS",
    "VOLUMES",
    "Rule",
    "between",
    "choice",
    "each",
    "each_between",
    "each_entry",
    "one",
)

_NONE_FOUND: Sequence[Problem] = ()
_MOST_MET = 4096


class Rule:
    """A rule.

    Attributes:
        problems: What is wrong with a value of the right type; paths are relative to it.
        accepts: A quick test that is true only for values without problems, and for most of them.
    """

    __slots__ = ("accepts", "problems")

    def __init__(
        self, problems: Callable[[Any], Sequence[Problem]], make_test: Callable[[], Callable[[Any], object]]
    ) -> None:
        def accepts(value: Any) -> object:
            # Made at the first use, because an import should not pay for compiling patterns.
            test = make_test()
            self.accepts = test
            return test(value)

        self.problems = problems
        self.accepts = accepts


class _Known:
    """The strings that match a pattern. It remembers those it has met: run configs are read again and again."""

    __slots__ = ("_matches", "_met")

    def __init__(self, pattern: str) -> None:
        self._matches = re.compile(pattern).fullmatch
        self._met: set[str] = set()

    def has(self, text: str) -> bool:
        return text in self._met or self.has_all((text,))

    def has_all(self, texts: Collection[str]) -> bool:
        if self._met.issuperset(texts):
            return True
        if not all(map(self._matches, texts)):
            return False
        if len(self._met) + len(texts) > _MOST_MET:
            self._met.clear()
        self._met.update(texts)
        return True


def one(parse: Callable[[Any], object], usual: str) -> Mapping[str, Any]:
    """A rule for a string that ``parse`` can read; one that matches ``usual`` it surely can."""

    def make_test() -> Callable[[Any], object]:
        return _Known(usual).has

    return {"rule": Rule(lambda value: _run(parse, value), make_test)}


def each(parse: Callable[[Any], object], usual: str) -> Mapping[str, Any]:
    """A rule for a list of strings, see :func:`one`."""

    def make_test() -> Callable[[Any], object]:
        return _Known(usual).has_all

    return {"rule": Rule(lambda values: _each_problem(parse, values), make_test)}


def each_entry(check: Callable[[str, str], object], usual_key: str, usual_value: str) -> Mapping[str, Any]:
    """A rule for a mapping whose keys and values ``check`` accepts, see :func:`one`."""

    def problems(values: Mapping[str, str]) -> Sequence[Problem]:
        found: list[Problem] = []
        for key, value in values.items():
            try:
                check(key, value)
            except ValueError as error:
                found.append(Problem(segment_text(key), str(error)))
        return found

    def make_test() -> Callable[[Any], object]:
        keys, values = _Known(usual_key), _Known(usual_value)
        return lambda members: keys.has_all(members) and values.has_all(members.values())

    return {"rule": Rule(problems, make_test)}


def between(low: int, high: int) -> Mapping[str, Any]:
    """A rule for an integer from ``low`` to ``high``, or None."""

    def fits(value: int | None) -> bool:
        return value is None or low <= value <= high

    def problems(value: int | None) -> Sequence[Problem]:
        return _NONE_FOUND if fits(value) else (Problem("", _expected_between(low, high, value)),)

    return {"rule": Rule(problems, lambda: fits)}


def each_between(low: int, high: int) -> Mapping[str, Any]:
    """A rule for a list of integers, see :func:`between`."""

    def check(value: int) -> None:
        if not low <= value <= high:
            raise ValueError(_expected_between(low, high, value))

    def fits(values: Sequence[int]) -> bool:
        return low <= min(values) and max(values) <= high

    return {"rule": Rule(lambda values: _each_problem(check, values), lambda: fits)}


def choice(*choices: str) -> Mapping[str, Any]:
    """A rule for one of these strings."""
    what = f"one of {', '.join(choices)}"

    def problems(value: str) -> Sequence[Problem]:
        return _NONE_FOUND if value in choices else (Problem("", expected(what, value)),)

    return {"rule": Rule(problems, lambda: choices.__contains__)}


def _expected_between(low: int, high: int, value: Any) -> str:
    return f"expected {low} to {high}, got {describe(value)}"


def _each_problem(parse: Callable[[Any], object], values: Sequence[Any]) -> Sequence[Problem]:
    return [
        Problem(join(f"[{index}]", problem.path), problem.message)
        for index, value in enumerate(values)
        for problem in _run(parse, value)
    ]


def _run(parse: Callable[[Any], object], value: Any) -> Sequence[Problem]:
    try:
        parse(value)
    except InvalidNameError as error:
        return (Problem("", f"{error.rule}, {got(error.name)}"),)
    except ValueError as error:
        return (Problem("", str(error)),)
    return _NONE_FOUND


def _not_negative(text: str) -> None:
    from workloads.config.duration import parse_duration

    if parse_duration(text) < 0:
        raise ValueError(f"expected a duration of zero or more, {got(text)}")


def _check_user_label(key: str, value: str) -> None:
    # Labels of the libraries' own hold names, which may be longer than Kubernetes allows for a label.
    if not key.startswith(("toolhive", "workloads.")):
        check_label(key, value)


_PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4})"
_NAME = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"
_LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}+(?<=[A-Za-z0-9]))?+"
_PATH = r"[^\0$&;|`:\\]+"
_TARGET = r"/(?!/)[^\0$&;|`:\\]*"

INT32 = between(-(2**31), 2**31 - 1)
INT64 = between(-(2**63), 2**63 - 1)
PORT = between(0, 65535)
PORTS = each_between(0, 65535)
NAME = one(check_workload_name, _NAME)
NAMES = each(check_workload_name, _NAME)
GROUP = one(check_group_name, "[a-z0-9_-]+")
DURATION = one(_not_negative, "(?:[0-9]{1,5}(?:ms|[hms])){1,3}")
SECRETS = each(parse_secret, r"[^,\n]+,target=[^\n]+")
MOUNTS = each(parse_mount, f"(?:{_PATH}:)?{_TARGET}")
VOLUMES = each(parse_volume, f"{_PATH}:{_TARGET}(?::ro)?")
PUBLISHED = each(parse_publish, f"(?:{_PORT}:)?{_PORT}")
LABELS = each_entry(_check_user_label, _LABEL, f"(?:{_LABEL})?")
