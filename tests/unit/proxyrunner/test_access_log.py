"""What is written down of a request."""

from __future__ import annotations

import logging

import pytest

from workloads.proxyrunner.access_log import ACCESS, AccessLog
from workloads.proxyrunner.record import Record


@pytest.mark.parametrize(
    ("method", "shown"),
    [("tools/list", "tools/list"), ("a\\nb", "a\\nb"), ("\\ud800", "\\\\ud800"), ("m" * 101, "m" * 100)],
)
def test_a_method_is_written_down_whatever_a_client_sends(caplog, method, shown):
    caplog.set_level(logging.INFO, ACCESS)
    scope = {"method": "POST", "raw_path": b"/mcp", "headers": []}
    text = b'{"jsonrpc": "2.0", "id": 1, "method": "%s"}' % method.encode()
    AccessLog("notes").write(scope, Record(lambda _message: None), text)
    (record,) = caplog.records
    assert record.mcp_method == shown
