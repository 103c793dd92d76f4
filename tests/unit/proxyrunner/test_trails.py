"""What ties a request without session to a replica."""

from __future__ import annotations

import json

import pytest

from workloads.proxyrunner.trails import TrailReader, names_trail, state_in


def found(*parts):
    trails = []
    reader = TrailReader(trails.append)
    for part in parts:
        reader.feed(part)
    return trails


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (b'{"params":{"requestState":"v1.abc"}}', "v1.abc"),
        (b'{"params":{"requestState" : "a\\"b\\u00e4"}}', 'a"b\u00e4'),
        (b'{"params":{"name":"x"}}', None),
        (b'{"params":{"requestState":7}}', None),
        (b'{"params":{"text":"\\"requestState\\":\\"no\\""}}', None),
        (b'{"params":{"requestState":"\\x"}}', None),
        (b'{"params":{"requestState":"cut', None),
    ],
)
def test_the_state_that_a_request_gives_back_is_found_in_its_text(body, state):
    assert state_in(body) == state


def test_states_and_tasks_are_found_in_an_answer_however_it_is_cut():
    answer = json.dumps({"result": {"requestState": "s1", "task": {"taskId": "t1"}}}).encode()
    assert found(answer) == ["s1", "t1"]
    assert found(*(answer[at : at + 1] for at in range(len(answer)))) == ["s1", "t1"]
    assert found(b"data: " + answer + b"\n\n", b"data: " + answer) == ["s1", "t1"] * 2


@pytest.mark.parametrize(
    ("answer", "tells"),
    [
        (b'{"result":{"requestState":"s1"}}', True),
        (b'{"result":{"task":{"taskId":"t1"}}}', True),
        (b'{"result":{"text":"requestState and taskId"}}', False),
    ],
)
def test_an_answer_is_read_only_where_it_may_tell_of_a_state_or_a_task(answer, tells):
    assert names_trail(answer) is tells
    assert bool(found(answer)) is tells


def test_an_answer_is_not_collected_for_ever():
    assert found(b"x" * 2**20, b'{"requestState":"late"}') == []
