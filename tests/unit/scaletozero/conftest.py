"""A controller of each kind."""

from __future__ import annotations

import pytest
from tests.support.idle import Subject, Toggler


@pytest.fixture(params=["threads", "asyncio"])
def make(request):
    """Makes controllers, which are closed after the test."""
    made: list[Subject] = []

    def make(toggler: Toggler | None = None, **options) -> Subject:
        made.append(Subject(request.param, toggler or Toggler(), **options))
        return made[-1]

    yield make
    for subject in made:
        subject.end()


@pytest.fixture
def subject(make):
    """A controller without a cooldown."""
    return make()
