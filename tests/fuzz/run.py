"""Many cases, one after the other, against the same two runners."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.fuzz.arena import Arena
from tests.fuzz.cases import Case, cases

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY = 500


def run(count: int, number: int, told: Callable[[int], object] = lambda _: None) -> int:
    """Play cases. A failing one is made small and raised.

    Args:
        count: How many.
        number: Which: the same number plays the same ones.
        told: Told now and then how many have been played.

    Returns:
        How many were played.
    """
    played = 0

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def play(case: Case) -> None:
        nonlocal played
        runner.run(arena.play(case))
        played += 1
        if played % _LOOK_EVERY == 0:
            runner.run(arena.settled())
            told(played)

    with asyncio.Runner() as runner:
        arena = runner.run(_opened())
        try:
            play()
            runner.run(arena.settled())
        finally:
            runner.run(arena.__aexit__())
    return played


async def _opened() -> Arena:
    return await Arena().__aenter__()
