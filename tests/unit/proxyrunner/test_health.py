"""The body of /health."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from workloads.proxyrunner.health import Health


def health():
    return Health("stdio", lambda: datetime(2026, 1, 5, 9, 12, 44, 123456, tzinfo=UTC))


def test_a_starting_workload_is_unhealthy():
    reply = health().reply("GET")
    assert reply.status == 503
    assert json.loads(reply.body) == {
        "status": "unhealthy",
        "timestamp": "2026-01-05T09:12:44.123456Z",
        "transport": "stdio",
        "mcp": {"available": False, "error": "starting"},
    }


def test_a_ready_workload_is_healthy_and_tells_how_long_its_answer_took():
    subject = health()
    subject.ready(0.0124)
    reply = subject.reply("GET")
    assert reply.status == 200
    body = json.loads(reply.body)
    assert body["status"] == "healthy"
    assert body["mcp"] == {
        "available": True, "response_time_ms": 12, "last_checked": "2026-01-05T09:12:44.123456Z",
    }  # fmt: skip


def test_a_workload_that_lacks_some_of_its_servers_is_degraded_and_can_be_used():
    short = [True]
    subject = Health("sse", lambda: datetime(2026, 1, 5, tzinfo=UTC), lambda: short[0])
    assert json.loads(subject.reply("GET").body)["status"] == "unhealthy"
    subject.ready(0.01)
    assert (subject.reply("GET").status, json.loads(subject.reply("GET").body)["status"]) == (200, "degraded")
    short[0] = False
    assert json.loads(subject.reply("GET").body)["status"] == "healthy"


def test_a_workload_that_went_down_tells_why():
    subject = health()
    subject.ready(0.1)
    subject.down("exited with code 3")
    reply = subject.reply("HEAD")
    assert reply.status == 503
    assert json.loads(reply.body)["mcp"]["error"] == "exited with code 3"
    assert not subject.available


def test_it_can_only_be_read():
    reply = health().reply("POST")
    assert reply.status == 405
    assert dict(reply.headers)[b"allow"] == b"GET, HEAD"


def test_a_workload_that_leaves_is_not_ready_any_more_whatever_its_server_says():
    subject = health()
    subject.ready(0.01)
    subject.leave("going")
    subject.ready(0.01)
    reply = subject.reply("GET")
    assert reply.status == 503
    assert json.loads(reply.body)["mcp"]["error"] == "going"
