"""What becomes of errors behind the proxy."""

from __future__ import annotations

import json
import logging

import pytest
from tests.unit.proxyrunner.middleware.asgi_calls import Server, call

from workloads.proxyrunner.asgi import ClientGoneError
from workloads.proxyrunner.middleware import MiddlewareContext, recovery

CONTEXT = MiddlewareContext("x", 1000)


def failing(error, *, after=None):
    async def application(scope, receive, send):
        if after is not None:
            await after(scope, receive, send)
        raise error

    return recovery.make(None, CONTEXT)(application)


def test_an_error_is_one_line_in_the_log_and_an_answer(caplog):
    with caplog.at_level(logging.ERROR):
        answer = call(failing(KeyError("k")), b"{}")
    assert answer.status == 500
    assert json.loads(answer.body)["error"] == {"code": -32603, "message": "The proxy failed"}
    assert [(record.message, record.workload, record.path) for record in caplog.records] == [
        ("request failed", "x", "/mcp")
    ]


def test_an_answer_that_has_begun_is_not_answered_again():
    with pytest.raises(KeyError):
        call(failing(KeyError("k"), after=Server(b"half")), b"{}")


def test_a_client_that_left_is_no_error(caplog):
    with pytest.raises(ClientGoneError):
        call(failing(ClientGoneError()), b"{}")
    assert not caplog.records
