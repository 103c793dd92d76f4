"""Every benchmark keeps within its limits."""

from __future__ import annotations

import pytest
from bench.__main__ import BENCHMARKS

from bench import harness

NEEDS = {
    "bridge": ("uvx", "mcp-proxy"),
    "containers": ("docker",),
    "mcp_calls": ("mcp",),
    "proxy": ("wrk",),
    "proxy_idle": ("redis", "metrics"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.needs(*NEEDS[name])] if name in NEEDS else []) for name in BENCHMARKS],
)
def test_every_figure_is_within_its_limit(name):
    document = harness.measured(name)
    assert any(figure["goal"] is not None for figure in document["figures"]), "it gates nothing"
    assert harness.failures(document) == [], str(harness.table(document))
