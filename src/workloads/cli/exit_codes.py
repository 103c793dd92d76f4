"""What the exit code of ``workloads`` tells."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from workloads.errors import (
    GroupNotFoundError,
    InvalidNameError,
    InvalidSecretError,
    RunConfigError,
    RuntimeNotFoundError,
    SecretProviderNotFoundError,
    WorkloadNotFoundError,
)

if TYPE_CHECKING:
    from workloads.errors import WorkloadsError

__all__ = ("MEANINGS", "ExitCode", "of_error")


class ExitCode(IntEnum):
    """The exit codes of the command. They are part of its interface."""

    OK = 0
    FAILURE = 1
    """It was tried and failed, or one of several did."""
    USAGE = 2
    """The command line, a name or a run config is wrong; nothing was done."""
    NOT_FOUND = 3
    """The workload or group asked for does not exist."""
    INTERRUPTED = 130
    """Ended by Ctrl-C."""
    OUTPUT_CLOSED = 141
    """Whoever read the output went away, as ``head`` does."""


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "it failed, or one of several did",
    ExitCode.USAGE: "the command line, a name or a run config is wrong; nothing was done",
    ExitCode.NOT_FOUND: "the workload or group asked for does not exist",
    ExitCode.INTERRUPTED: "ended by Ctrl-C",
    ExitCode.OUTPUT_CLOSED: "whoever read the output went away",
}
"""What each says, for people."""


def of_error(error: WorkloadsError) -> ExitCode:
    """The exit code for an error that ended a command.

    Args:
        error: What the library raised.
    """
    if isinstance(error, WorkloadNotFoundError | GroupNotFoundError):
        return ExitCode.NOT_FOUND
    if isinstance(
        error,
        RunConfigError | InvalidNameError | InvalidSecretError | RuntimeNotFoundError | SecretProviderNotFoundError,
    ):
        return ExitCode.USAGE
    return ExitCode.FAILURE
