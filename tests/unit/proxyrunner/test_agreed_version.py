"""The version of the protocol that a client and a server speak, neither of which asked the other."""

from __future__ import annotations

import pytest

from workloads.proxyrunner.protocol import LEGACY, agreed_version


@pytest.mark.parametrize("asked", LEGACY)
@pytest.mark.parametrize("offered", LEGACY)
def test_it_is_the_older_one_of_the_two(asked, offered):
    assert agreed_version(asked, offered) == min(asked, offered)


@pytest.mark.parametrize("offered", ["2026-07-28", "1999-01-01", 5, None, ["2025-06-18"]])
def test_a_server_of_a_version_that_nobody_knows_is_quoted(offered):
    assert agreed_version("2025-06-18", offered) == offered
