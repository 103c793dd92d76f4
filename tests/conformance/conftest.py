"""What every conformance test gets."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _first_uvloop():
    """libuv opens a pipe with its first loop and keeps it: before the tests, so that it is not taken for a leak."""
    import uvloop

    uvloop.new_event_loop().close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the surfaces that a class does not test, instead of telling of each that it was skipped."""
    unwanted = [item for item in items if not _wanted(item)]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if _wanted(item)]


def _wanted(item: pytest.Item) -> bool:
    surface = getattr(item, "callspec", None) and item.callspec.params.get("subject")
    return surface is None or surface in getattr(item.cls, "surfaces", (surface,))
