"""How workloads are shown."""

from __future__ import annotations

import json
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.views import CREATED, a_workload

from workloads.cli import render
from workloads.errors import WorkloadNotFoundError
from workloads.model import ReplicaCount, TransportType, WorkloadStatus

NOW = CREATED + timedelta(minutes=7)


def test_the_json_view_has_the_keys_of_the_api_and_then_ours():
    view = render.workload_view(
        a_workload(labels={"team": "search"}, status=WorkloadStatus.UNHEALTHY, status_context="its runner is gone")
    )
    assert view == {
        "name": "time",
        "package": "uvx://mcp-server-time",
        "url": "http://127.0.0.1:41733/mcp?time",
        "port": 41733,
        "transport_type": "stdio",
        "proxy_mode": "streamable-http",
        "status": "unhealthy",
        "status_context": "its runner is gone",
        "created_at": "2026-01-05T09:12:44Z",
        "labels": {"team": "search"},
        "group": "default",
        "started_at": "2026-01-05T09:12:45Z",
        "runtime": "process",
        "command": [],
        "replicas": {"ready": 1, "desired": 1},
        "asleep": False,
        "isolation": "none",
    }
    assert json.loads(json.dumps(view)) == view


def test_the_json_view_omits_what_is_empty_and_names_a_remote_workload_so():
    view = render.workload_view(a_workload(image="", remote=True, started_at=None, group=""))
    assert view["package"] == "remote"
    assert view["remote"] is True
    assert {"status_context", "labels", "group", "started_at"} & view.keys() == set()


def test_a_row_has_a_cell_for_each_column_and_none_is_empty():
    cells = render.row(a_workload(url="", asleep=True), NOW)
    assert dict(zip(render.HEADER, cells, strict=True)) == {
        "NAME": "time",
        "STATUS": "running (asleep)",
        "URL": "-",
        "GROUP": "default",
        "RUNTIME": "process",
        "AGE": "7m",
    }


def test_a_row_spells_out_control_characters():
    assert "\\x1b" in render.row(a_workload(group="a\x1b[2J"), NOW)[3]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86399, "23h"),
        (86400 * 12, "12d"),
    ],
)
def test_an_age_is_its_largest_whole_unit(seconds, shown):
    assert render.age(CREATED + timedelta(seconds=seconds), CREATED) == shown


def test_a_moment_is_written_in_utc():
    there = CREATED.astimezone(timezone(timedelta(hours=2)))
    assert render.timestamp(there) == "2026-01-05T09:12:44Z"


def test_columns_are_aligned_without_trailing_space():
    assert render.columns([("NAME", "URL"), ("a", "http://x"), ("longer", "-")]) == (
        "NAME    URL\na       http://x\nlonger  -"
    )


@given(st.lists(st.tuples(*[st.text(st.characters(categories=["L", "N"]), min_size=1)] * 3), min_size=1))
def test_columns_can_be_split_again(rows):
    assert [tuple(line.split()) for line in render.columns(rows).split("\n")] == rows


def test_details_leave_out_what_is_empty():
    shown = dict(render.details(a_workload(command=("python", "-m", "notes"), image=""), NOW))
    assert shown["Command"] == "python -m notes"
    assert shown["Replicas"] == "1 of 1 ready"
    assert shown["Started"] == "2026-01-05T09:12:45Z (6m ago)"
    assert {"Why", "Image", "Labels"} & shown.keys() == set()


def test_details_never_started_say_nothing_of_a_start():
    stopped = a_workload(started_at=None, transport=TransportType.SSE, replicas=ReplicaCount(0, 2))
    assert "Started" not in dict(render.details(stopped, NOW))


def test_a_selection_keeps_what_runs_and_has_every_label():
    first = a_workload("a", labels={"x": "1", "y": "2"})
    second = a_workload("b", labels={"x": "1"}, status=WorkloadStatus.STOPPED)
    retrying = a_workload("c", status=WorkloadStatus.AUTH_RETRYING)
    everything = [first, second, retrying]
    assert render.select(everything, everything=False, labels={}) == [first, retrying]
    assert render.select(everything, everything=True, labels={"x": "1"}) == [first, second]
    assert render.select(everything, everything=True, labels={"x": "1", "y": "2"}) == [first]


def test_a_missing_workload_is_told_in_words_of_the_command():
    assert render.error_text(WorkloadNotFoundError("tmie")) == (
        "workload 'tmie' not found; `workloads list --all` shows those that exist"
    )
