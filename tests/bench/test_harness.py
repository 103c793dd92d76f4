"""The benchmarks' own arithmetic."""

from __future__ import annotations

import sys
import types
import xml.etree.ElementTree as ET

import pytest
from bench.harness import Figure, Sample

from bench import harness


@pytest.mark.parametrize(
    ("figure", "limit"),
    [
        (Figure("a count", 1, "calls", 2.0), 2.0),
        (Figure("CPU", 1, "us", 3.0), 3.0),
        (Figure("wall", 1, "ms", 3.0, steady=False), 4.0),
        (Figure("throughput", 1, "x", 4.0, higher_is_better=True, steady=False), 3.0),
        (Figure("only told", 1, "ms"), None),
    ],
)
def test_steady_figures_gate_at_their_goal_and_others_at_three_quarters_of_it(figure, limit):
    assert figure.limit == limit


@pytest.mark.parametrize(
    ("value", "higher_is_better", "passes"),
    [(2, False, True), (2.1, False, False), (2, True, True), (1.9, True, False)],
)
def test_a_figure_passes_up_to_its_limit(value, higher_is_better, passes):
    assert Figure("f", value, "x", 2.0, higher_is_better).passes is passes


def test_rounds_are_interleaved_and_medians_told():
    calls: list[str] = []

    def subject(name: str, values: list[float]):
        def run() -> Sample:
            calls.append(name)
            value = values[calls.count(name) % len(values)]
            return Sample(value, value * 2)

        return run

    medians = harness.interleaved({"a": subject("a", [1, 2, 9]), "b": subject("b", [5])}, 9, warm_up=0)
    assert medians == {"a": Sample(2, 4), "b": Sample(5, 10)}
    assert "".join(calls[:6]) == "abbaab"


def test_fewer_rounds_than_a_median_needs_are_refused():
    with pytest.raises(ValueError, match="6 rounds"):
        harness.interleaved({}, 6)


def test_a_fresh_interpreter_is_measured_whole_and_a_failing_one_is_an_error():
    assert harness.fresh_interpreter("sum(range(10**6))").cpu > harness.fresh_interpreter("").cpu / 2
    with pytest.raises(RuntimeError, match="ended with 3"):
        harness.fresh_interpreter("raise SystemExit(3)")


def test_what_is_beyond_its_limit_is_told():
    document = harness.report("x", [Figure("good", 1, "x", 2.0), Figure("bad", 3, "x", 2.0)])
    assert harness.failures(document) == ["x: bad: 3 x, but the limit is 2"]
    assert "FAILS" in str(harness.table(document))


def test_a_plot_is_an_svg_document_with_a_bar_for_each_value():
    root = ET.fromstring(harness.bars("a < b", {"one": 1.0, "two": 2.0}, "ms"))
    assert [bar.get("width") for bar in root.iter("{http://www.w3.org/2000/svg}rect")] == ["230.0", "460.0"]


def test_a_plain_comparison_becomes_a_document(monkeypatch):
    module = types.ModuleType("bench.plain")
    module.measure = lambda rounds: {"ours_us": 4.0, "baseline_us": 2.0, "ratio": 2.0, "limit": 1.5}
    monkeypatch.setitem(sys.modules, "bench.plain", module)
    document = harness.measured("plain")
    assert harness.failures(document) == ["plain: CPU, ours to the baseline: 2 x, but the limit is 1.5"]
    assert document["plot"]["values"] == {"ours": 4.0, "the baseline": 2.0}
