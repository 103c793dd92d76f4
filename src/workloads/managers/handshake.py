"""What a new proxy runner and the manager that started it tell each other.

The manager sends one line on the runner's standard input: what the runner must know but no file, argument or
environment may hold. The runner answers on a pipe, one line an event: that it owns the workload, that the workload is
ready, that it ended, or that it failed and why. The end of either pipe means that the other side has gone.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import attrs

from workloads._core.paths import DEFAULT_APP
from workloads.errors import PortInUseError, WorkloadFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from workloads.errors import WorkloadsError

__all__ = ("Event", "Reporter", "Start")


@attrs.frozen
class Start:
    """What the manager tells the runner.

    Attributes:
        secrets: Resolved secrets: environment variable and value.
        foreground: Whether the runner shall end when its caller goes.
        proposed: Whether to run the proposed run config, not the stored one.
        launch_id: The start on record when the runner takes the workload must be this one; empty for whichever.
        headers: Resolved headers for a remote server.
        app: Whose folder the workload is kept in.
    """

    secrets: Mapping[str, str] = attrs.field(repr=False)
    foreground: bool = False
    proposed: bool = False
    launch_id: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    app: str = DEFAULT_APP

    def encode(self) -> bytes:
        """The line to send."""
        return json.dumps(attrs.asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Start | None:
        """The message in a line; None when the line was cut, because the manager ended."""
        return cls(**json.loads(line)) if line.endswith(b"\n") else None


@attrs.frozen
class Event:
    """What the runner tells the manager.

    Attributes:
        kind: ``owned`` (and listening), ``ready``, ``failed``, or ``ended`` after a clean drain.
        reason: Why it failed.
        logs: The last lines of the server when it failed.
        host: The address of a port that was taken.
        port: The port that was taken; 0 when that was not the reason.
    """

    kind: Literal["owned", "ready", "failed", "ended"]
    reason: str = ""
    logs: tuple[str, ...] = ()
    host: str = ""
    port: int = 0

    @classmethod
    def failure(cls, error: WorkloadsError) -> Event:
        """The event for the error that ended a runner."""
        match error:
            case PortInUseError():
                return cls("failed", str(error), host=error.host, port=error.port)
            case WorkloadFailedError():
                return cls("failed", error.reason, error.logs)
            case _:
                return cls("failed", str(error))

    def error(self, name: str) -> WorkloadsError:
        """The error of the workload ``name`` that a ``failed`` event stands for."""
        if self.port:
            return PortInUseError(self.host, self.port)
        return WorkloadFailedError(name, self.reason, logs=self.logs)

    def encode(self) -> bytes:
        """The line to send."""
        return json.dumps(attrs.asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Event:
        """The message in a line."""
        message: dict[str, Any] = json.loads(line)
        message["logs"] = tuple(message["logs"])
        return cls(**message)


class Reporter:
    """The runner's end of the pipe. The manager may have gone: then nobody needs to be told."""

    def __init__(self, fd: int | None) -> None:
        """Report on this descriptor, or to nobody."""
        self._fd = fd

    def send(self, event: Event) -> None:
        """Tell the manager."""
        if self._fd is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._fd, event.encode())

    def close(self) -> None:
        """Tell the manager that nothing more will come."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
