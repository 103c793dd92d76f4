"""The toggler's side: what it was told, what it is doing, and which call comes next. Pure: times and outcomes in.

One call at a time. A call that passes its deadline is only known to be late: nothing else is begun until it returns, or
until the toggler, asked for its state, says that what the call was for has come about. Every call has a number of its
own by being an object of its own, so that one which comes back after that is told from the one that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.status import Level, Verb

__all__ = ("Backoff", "Call", "Switch", "aim")

CallVerb = Literal["disable", "enable", "state"]

_LONGEST_QUESTION = 5.0


def aim(verb: Verb) -> Level:
    """What a call is for."""
    return "forbidden" if verb == "disable" else "allowed"


@attrs.frozen
class Backoff:
    """How long to wait before a toggle that failed is tried again: twice as long each time.

    Attributes:
        first: Seconds after the first failure; 0.25 by default.
        longest: The most seconds; 60 by default.
    """

    first: float = attrs.field(default=0.25, validator=attrs.validators.gt(0))
    longest: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 64))


@attrs.define(eq=False)
class Call:
    """One call of the toggler.

    Attributes:
        verb: What is called.
        deadline: When it is late.
        late: Whether it was.
        about: For a question: the late call that it is about; None when no call is under way.
    """

    verb: CallVerb
    deadline: float
    late: bool = False
    about: Call | None = None


class Switch:
    """What is known of a toggler.

    Args:
        level: What it was told before.
        timeout: Seconds that a call may take.
        backoff: How long to wait after a failure.
        can_ask: Whether it can be asked for its state.
    """

    def __init__(self, *, level: Level, timeout: float, backoff: Backoff, can_ask: bool) -> None:
        """A toggler that does nothing at the moment."""
        self.level: Level = level
        self.call: Call | None = None
        self.forbidden_at = float("-inf")
        self.failures = 0
        self.error = ""
        self.retry_at = float("-inf")
        self._timeout = timeout
        self._backoff = backoff
        self._can_ask = can_ask
        self._question: Call | None = None
        self._unanswered = 0
        self._ask_at = float("-inf")
        self._doubtful = False
        self._shaken = False

    @property
    def forbidden(self) -> bool:
        """Whether sleeping is forbidden and nothing is under way that could change it."""
        return self.level == "forbidden" and self.call is None

    def hurry(self) -> None:
        """Do what is to be done again at once: somebody waits for it."""
        self.retry_at = self._ask_at = float("-inf")

    def next(self, now: float, target: Level | None) -> Call | None:
        """The call to make now; it counts as begun.

        Args:
            now: The time.
            target: What shall be; None when whatever is may stay.
        """
        if self._question is not None and not self._question.late:
            return None
        if self.call is not None:
            return self._ask(now, self.call) if self.call.late and now >= self._ask_at else None
        if self._doubtful and (question := self._ask(now, None)):
            return question
        if target is None or self.level == target or now < self.retry_at:
            return None
        self.call = Call("disable" if target == "forbidden" else "enable", now + self._timeout)
        return self.call

    def due(self, target: Level | None) -> float | None:
        """When :meth:`next` or :meth:`expire` has something to do; None when only the end of a call changes that."""
        question, call = self._question, self.call
        if question is not None and not question.late:
            return question.deadline if call is None or call.late else min(question.deadline, call.deadline)
        if call is not None:
            if not call.late:
                return call.deadline
            return self._ask_at if self._can_ask and question is None else None
        return self.retry_at if target is not None and self.level != target else None

    def expire(self, now: float) -> Call | None:
        """Look at the clock. Returns the call that has just become late."""
        question, call = self._question, self.call
        if question is not None and now >= question.deadline:
            question.late = True
        if call is None or call.late or now < call.deadline:
            return None
        call.late = True
        self.level = "unknown"
        self._failed(now, f"no answer within {self._timeout:g} s")
        return call

    def finish(self, now: float, call: Call, error: BaseException | None) -> bool:
        """A call that was made to change something has returned.

        Args:
            now: The time.
            call: The call.
            error: What it raised; None when it succeeded.

        Returns:
            Whether it was the one that counts.
        """
        assert call.verb != "state"
        if call is not self.call:
            # Its purpose had come about before it returned. If something else is wanted since, this may have undone it.
            if self.call is not None:
                self._shaken = True
            elif self.level != aim(call.verb):
                self.level, self._doubtful = "unknown", self._can_ask
            return False
        self.call = None
        if error is None:
            self._reached(now, aim(call.verb))
            if self._shaken:
                self.level, self._doubtful = "unknown", self._can_ask
        else:
            if call.verb == "disable" or isinstance(error, TimeoutError):
                self.level = "unknown"
            if not call.late:  # else it has been counted
                self._failed(now, str(error) or type(error).__name__)
            self._doubtful = self._can_ask
        self._shaken = False
        return True

    def answer(self, now: float, question: Call, state: TogglerState) -> bool:
        """The toggler was asked for its state and has answered.

        Args:
            now: The time.
            question: The question.
            state: The answer; ``unknown`` when asking failed.

        Returns:
            Whether it tells that the late call has done what it was for.
        """
        self._question = None
        if question.late or question.about is not self.call:
            return False
        levels: dict[str, Level] = {"awake": "forbidden", "asleep": "allowed"}
        level = levels.get(state, "unknown")
        call = self.call
        if call is None:
            self._doubtful = False
            if level != "unknown":
                self._reached(now, level)
            return False
        assert call.verb != "state"
        if level == aim(call.verb):
            self.call = None
            self._reached(now, level)
            return True
        self._unanswered += 1
        self._ask_at = now + self._backoff.after(self._unanswered)
        return False

    def _ask(self, now: float, about: Call | None) -> Call | None:
        if not self._can_ask or self._question is not None:
            return None
        self._question = Call("state", now + min(self._timeout, _LONGEST_QUESTION), about=about)
        return self._question

    def _reached(self, now: float, level: Level) -> None:
        if level == "forbidden" and self.level != level:
            self.forbidden_at = now
        self.level = level
        self.failures = self._unanswered = 0
        self.error = ""
        self._doubtful = False
        self.hurry()

    def _failed(self, now: float, error: str) -> None:
        self.failures += 1
        self.error = error
        self.retry_at = now + self._backoff.after(self.failures)
        self._ask_at = now
