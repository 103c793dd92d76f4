"""What an engine tells of containers, and what is told when it stops."""

from __future__ import annotations

import json
from itertools import islice

from tests.support.fake_engine import serving

from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.events import ContainerEvents, changed_workload
from workloads.runtimes.protocol import AGAIN

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
AWAY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def started(name):
    actor = {"ID": "1", "Attributes": {"workloads.basename": name}}
    return json.dumps({"Type": "container", "Action": "start", "Actor": actor}).encode() + b"\n"


def told(engine, count):
    events = ContainerEvents(Engine("docker", engine.url), [], lambda event: changed_workload(event, "workloads"))
    with events:
        return list(islice(events, count))


def test_a_lost_connection_is_told_and_that_there_is_one_again():
    with serving(HEAD + started("a")) as engine:
        assert told(engine, 7) == ["", "a", "", AGAIN, "a", "", AGAIN]
    assert all(request.startswith("GET /events?") for request in engine.requests)


def test_that_an_engine_is_away_from_the_beginning_is_told_once_and_that_it_is_there_again():
    answers = iter([AWAY, AWAY, HEAD + started("a")])
    with serving(lambda _: next(answers)) as engine:
        assert told(engine, 3) == ["", AGAIN, "a"]
