"""Where replicas listen."""

from __future__ import annotations

import pytest

from workloads.proxyrunner import ReplicaAddress


@pytest.mark.parametrize(
    ("url", "again"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://a.example/", "http://a.example:80"),
        ("https://a.example", "https://a.example:443"),
        ("http://[::1]:7", "http://[::1]:7"),
    ],
)
def test_an_address_is_read_from_a_url(url, again):
    assert ReplicaAddress.of(url).url == again


@pytest.mark.parametrize(
    "url", ["", "a:80", "ftp://a", "http://", "http://u:p@a", "http://a/mcp", "http://a:x", "http://a:99999"]
)
def test_any_other_url_is_refused(url):
    with pytest.raises(ValueError, match=r"HOST:PORT|[Pp]ort"):
        ReplicaAddress.of(url)
