"""What every conformance test gets."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _first_uvloop():
    """libuv opens a pipe with its first loop and keeps it: before the tests, so that it is not taken for a leak."""
    import uvloop

    uvloop.new_event_loop().close()
