"""Which process is the proxy of a workload of ``thv``'s."""

from __future__ import annotations

import pytest

from workloads.managers.toolhive.proxy import is_proxy_of

DETACHED = {"TOOLHIVE_DETACHED": "1"}


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        (["thv", "start", "github", "--foreground"], {}, True),
        (["/usr/local/bin/thv", "start", "github", "--foreground", "--debug"], DETACHED, True),
        (["/opt/toolhive-dev", "start", "github"], DETACHED, True),
        (["thv", "run", "--foreground", "github"], DETACHED, True),
        (["/opt/toolhive-dev", "start", "github"], {}, False),
        (["thv", "run", "github"], {}, False),
        (["vim", "start", "github"], {}, False),
        (["thv", "start", "github"], {"TOOLHIVE_DETACHED": "0"}, True),
        ([], {}, False),
        (["thv"], {}, False),
    ],
)
def test_a_process_is_known_by_its_words_or_its_environment(argv, environ, expected):
    assert is_proxy_of("github", argv, environ) is expected


@pytest.mark.parametrize("environ", [{}, DETACHED])
@pytest.mark.parametrize("other", ["github-x", "x-github", "githu", "github_", "GitHub"])
def test_whole_words_are_compared(other, environ):
    """TH-13.16: the command-line match lets `-` follow, so `github` matches `github-x`."""
    assert not is_proxy_of("github", ["thv", "start", other, "--foreground"], environ)


def test_every_occurrence_is_looked_at():
    """TH-13.16: only the first occurrence is inspected."""
    assert is_proxy_of("github", ["thv", "--label", "start", "start", "github"], {})


def test_what_only_listens_on_the_port_has_to_name_the_workload():
    assert is_proxy_of("github", ["thv", "run", "--foreground", "x"], DETACHED)
    assert not is_proxy_of("github", ["thv", "run", "--foreground", "x"], DETACHED, named=True)
    assert is_proxy_of("github", ["thv", "start", "github"], {}, named=True)
