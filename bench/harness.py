"""What every benchmark is made of: interleaved rounds, medians, ratios, and a verdict that a noisy machine cannot flip.

A benchmark is a module with ``measure(rounds: int) -> dict``: a document made by :func:`report` out of figures.
All that is compared runs in the same rounds, one after the other, so that a machine that gets slower makes all of it
slower; what is told is the median of each and the ratio of the medians.

A figure may gate a change. Counts and CPU time are steady and gate at their goal; what a busy machine can stretch, wall
time and throughput, gates at three quarters of it (:attr:`Figure.limit`).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS = 7
"""The fewest rounds whose median is worth telling."""

SLACK = 0.75
"""The share of its goal that an unsteady figure must reach."""


@dataclass(frozen=True)
class Sample:
    """What one run took, in seconds: by the clock, and of processors."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Figure:
    """One number that is told, and perhaps held to a goal.

    Attributes:
        what: What was measured, for people.
        value: The number.
        unit: Its unit; ``x`` for a ratio.
        goal: What it shall reach; None for a number that is only told.
        higher_is_better: Whether the goal is a least value instead of a greatest.
        steady: Whether it is a count or CPU time.
        gates: Whether it fails beyond its limit; what hangs on the clock of a shared machine is only told.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    higher_is_better: bool = False
    steady: bool = True
    gates: bool = True

    @property
    def limit(self) -> float | None:
        """The value beyond which it fails; None for a number that is only told."""
        if not self.gates:
            return None
        if self.goal is None or self.steady:
            return self.goal
        return self.goal * SLACK if self.higher_is_better else self.goal / SLACK

    @property
    def passes(self) -> bool:
        """Whether it is within its limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.higher_is_better else self.value <= self.limit


def interleaved(
    subjects: Mapping[str, Callable[[], Sample]], rounds: int = ROUNDS, *, warm_up: int = 1
) -> dict[str, Sample]:
    """Run every subject once in each round and return the medians.

    Args:
        subjects: What is compared, by name; each does its work once and tells what it took.
        rounds: How many rounds count.
        warm_up: How many rounds go before them, for caches.
    """
    if rounds < ROUNDS:
        raise ValueError(f"{rounds} rounds: a median of fewer than {ROUNDS} says little")
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for number in range(-warm_up, rounds):
        # Every round begins with another one, so that no subject always follows the same.
        names = list(subjects)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            sample = subjects[name]()
            if number >= 0:
                samples[name].append(sample)
    return {
        name: Sample(statistics.median(each.wall for each in taken), statistics.median(each.cpu for each in taken))
        for name, taken in samples.items()
    }


def timed(work: Callable[[], object], *, times: int = 1) -> Sample:
    """What one call takes in this process, all its threads counted.

    Args:
        work: What is called.
        times: How often, to be told from the clock's own grain.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return Sample((time.perf_counter() - wall) / times, (time.process_time() - cpu) / times)


def fresh_interpreter(code: str) -> Sample:
    """What a statement takes in an interpreter of its own, its start included.

    Args:
        code: The statement.
    """
    arguments = [sys.executable, "-c", code]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    began = time.perf_counter()
    pid = os.posix_spawn(sys.executable, arguments, environment)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if code_of_exit := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{code!r} ended with {code_of_exit}")
    return Sample(wall, usage.ru_utime + usage.ru_stime)


def modules_loaded(code: str) -> set[str]:
    """The modules that an interpreter of its own has loaded after a statement.

    Args:
        code: The statement.
    """
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], check=True, capture_output=True, text=True
    )
    return set(shown.stdout.split())


def cpu_of_process(pid: int) -> float:
    """The CPU seconds that another process has used so far, with those of its children it has waited for.

    Args:
        pid: The process; -1 is all ended children of this one.
    """
    if pid == -1:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def report(name: str, figures: Sequence[Figure], **details: Any) -> dict[str, Any]:
    """The document of a benchmark.

    Args:
        name: The name of the benchmark.
        figures: Its numbers.
        details: What else is worth keeping, as JSON values.
    """
    shown = [asdict(figure) | {"limit": figure.limit, "passes": figure.passes} for figure in figures]
    return {"name": name, "figures": shown, **details}


def measured(name: str, rounds: int = ROUNDS) -> dict[str, Any]:
    """Run the benchmark of a module of this package and return its document.

    A benchmark of one operation beside a baseline may also tell just ``ours_us``, ``baseline_us``, their ``ratio`` and
    its ``limit``, in CPU time.

    Args:
        name: The module.
        rounds: How many rounds count.
    """
    document: dict[str, Any] = import_module(f"bench.{name}").measure(rounds)
    if "figures" in document:
        return document
    figures = [
        Figure("CPU, ours to the baseline", document["ratio"], "x", document["limit"]),
        Figure("CPU, ours", document["ours_us"], "us"),
        Figure("CPU, the baseline", document["baseline_us"], "us"),
    ]
    values = {"ours": document["ours_us"], "the baseline": document["baseline_us"]}
    return report(name, figures, plot={"title": f"{name}, CPU time", "unit": "us", "values": values})


def failures(document: Mapping[str, Any]) -> list[str]:
    """The figures of a document that are beyond their limit, for people."""
    return [
        f"{document['name']}: {each['what']}: {each['value']:.3g} {each['unit']}, but the limit is {each['limit']:.3g}"
        for each in document["figures"]
        if not each["passes"]
    ]


@dataclass
class Table:
    """Rows of text in aligned columns, numbers to the right."""

    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                [
                    cells[0].ljust(widths[0]),
                    *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
                ]
            )
            for cells in lines
        )


def table(document: Mapping[str, Any]) -> Table:
    """The figures of a document as a table."""
    result = Table((document["name"], "value", "unit", "goal", "limit", ""))
    for each in document["figures"]:
        goal, limit = ("-" if each[key] is None else f"{each[key]:.3g}" for key in ("goal", "limit"))
        verdict = "" if each["limit"] is None else "ok" if each["passes"] else "FAILS"
        result.rows.append((each["what"], f"{each['value']:.3g}", each["unit"], goal, limit, verdict))
    return result


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """A bar chart as an SVG document.

    Args:
        title: What it shows.
        values: The length of each bar, by label.
        unit: The unit of the values.
    """
    left, width, line = 260, 460, 26
    longest = max(values.values()) or 1.0
    height = line * (len(values) + 2)
    size = f'width="{left + width + 110}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        f'<text x="10" y="{line * 0.8:.0f}" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value) in enumerate(values.items(), start=1):
        top, length = number * line + 8, width * value / longest
        parts += [
            f'<text x="{left - 10}" y="{top + 14}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{line - 8}" fill="#3b6ea5"/>',
            f'<text x="{left + length + 6:.1f}" y="{top + 14}">{value:.3g} {escape(unit)}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])
