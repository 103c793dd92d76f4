"""What the integration tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def redis() -> Iterator[redis_server.RedisServer]:
    """A Redis of the module's own, which all its tests fill."""
    with redis_server.running() as server:
        yield server
