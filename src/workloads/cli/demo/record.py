"""What happened in the demo: told as it happens, and kept for the summary."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, cast

import attrs

from workloads.cli.render import error_text
from workloads.cli.text import escape_lines
from workloads.errors import WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("Record", "Step")


@attrs.define
class Step:
    """One step.

    Attributes:
        title: What it is about.
        seconds: How long it took.
        error: Why it failed; empty when it did not.
    """

    title: str
    seconds: float = 0.0
    error: str = ""


@attrs.define
class Record:
    """The steps so far, and who is told of them.

    Attributes:
        say: Takes each line of the narration.
        steps: What was done, in order.
        left_out: What could not be shown on this machine, and why.
        results: The answer of each tool that was called, by workload.
    """

    say: Callable[[str], None]
    steps: list[Step] = attrs.field(factory=list[Step])
    left_out: list[str] = attrs.field(factory=list[str])
    results: dict[str, str] = attrs.field(factory=dict[str, str])
    _began: float = attrs.field(factory=time.monotonic, init=False)

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return all(not step.error for step in self.steps)

    @contextlib.contextmanager
    def step(self, title: str) -> Generator[None]:
        """Do one step; when it fails, that is told and kept, and the story goes on.

        Args:
            title: What it is about.
        """
        step = Step(title)
        self.steps.append(step)
        self.say(f"\n{len(self.steps)}. {title}")
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001  # every kind of failure is a failed step, and the rest is still shown
            step.error = error_text(error) if isinstance(error, WorkloadsError) else escape_lines(_chain(error))
            self.say(f"   failed: {step.error}")
        except BaseException:
            step.error = "interrupted"
            raise
        finally:
            step.seconds = round(time.monotonic() - began, 2)

    def summary(self) -> dict[str, object]:
        """All of it as JSON values."""
        return {
            "ok": self.ok,
            "seconds": round(time.monotonic() - self._began, 2),
            "steps": [
                {"step": step.title, "ok": not step.error, "seconds": step.seconds}
                | ({"error": step.error} if step.error else {})
                for step in self.steps
            ],
            "results": self.results,
            "left_out": self.left_out,
        }


def _chain(error: BaseException) -> str:
    """The message of an error; of a group, that of its first leaf, which is the cause people can act on."""
    if isinstance(error, BaseExceptionGroup):
        return _chain(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    return f"{type(error).__name__}: {error}"
