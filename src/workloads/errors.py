"""Every error this library raises, in one tree.

::

    WorkloadsError
    ├── RunConfigError (ValueError)               a run config with problems; lists every one
    ├── InvalidNameError (ValueError)             a name that is not allowed
    ├── WorkloadNotFoundError (LookupError)
    ├── WorkloadExistsError (FileExistsError)
    ├── WorkloadNotReadyError (TimeoutError)      did not become ready in the caller's time
    ├── WorkloadBusyError (TimeoutError)          another operation holds the workload
    ├── WorkloadFailedError (RuntimeError)        the server or its runner could not be run
    ├── WorkloadInUseError (RuntimeError)         somebody uses the workload that was to sleep
    ├── PortInUseError (OSError)
    ├── CommandNotFoundError (FileNotFoundError)  the program of a workload is not on this machine
    ├── GroupNotFoundError (LookupError)
    ├── GroupExistsError (FileExistsError)
    ├── GroupNotEmptyError (OSError)              the group has workloads and was not deleted
    ├── RuntimeNotFoundError (LookupError)        no runtime of that name is registered
    ├── RuntimeUnavailableError (ConnectionError) the runtime exists but cannot be used here
    ├── UnsupportedOperationError (NotImplementedError)
    ├── MissingDependencyError (ImportError)      an extra of this package is not installed
    ├── StateError (OSError)                      the state folder cannot be read or written
    │   ├── InsecureStateError (PermissionError)  ... or cannot be trusted
    │   └── CorruptStateError (ValueError)        ... or holds a damaged file
    ├── SecretNotFoundError (LookupError)
    ├── InvalidSecretError (ValueError)           a value that a secret cannot have
    ├── SecretProviderNotFoundError (LookupError) no provider of secrets has that name
    ├── SecretStoreUnavailableError (ConnectionError) secrets cannot be looked up or kept there
    │   ├── SecretStoreLockedError (PermissionError)  ... before it is unlocked
    │   └── WrongPasswordError (PermissionError)      ... with this password
    ├── SessionNotFoundError (LookupError)        no such session, or it expired
    ├── SessionAlreadyExistsError (FileExistsError)
    ├── SessionForbiddenError (PermissionError)   the session belongs to another identity
    ├── SessionStoreUnavailableError (ConnectionError) sessions cannot be reached: not the same as not found
    │   └── CorruptSessionError (ValueError)      ... because what is kept of one is damaged
    ├── InvalidSessionStoreError (ValueError)     a storage of sessions cannot be set up like this; lists every problem
    ├── ToggleError (OSError)                     sleeping could not be forbidden or allowed
    │   └── ToggleTimeoutError (TimeoutError)     ... in time, so it is not known whether it was
    ├── ControlFileError (OSError)                the file that forbids sleeping cannot be used
    ├── ControllerClosedError (RuntimeError)      nobody forbids or allows sleeping through it any more
    ├── TooManyDisablesError (OverflowError)      so many names forbid sleeping that there must be a mistake
    └── BatchError (ExceptionGroup)               some workloads of a batch failed

Each leaf also inherits the builtin a caller would catch, carries its facts as attributes and says
what to do next. Errors can be pickled.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = (
    "BatchError",
    "CommandNotFoundError",
    "ControlFileError",
    "ControllerClosedError",
    "CorruptSessionError",
    "CorruptStateError",
    "GroupExistsError",
    "GroupNotEmptyError",
    "GroupNotFoundError",
    "InsecureStateError",
    "InvalidNameError",
    "InvalidSecretError",
    "InvalidSessionStoreError",
    "MissingDependencyError",
    "PortInUseError",
    "Problem",
    "RunConfigError",
    "RuntimeNotFoundError",
    "RuntimeUnavailableError",
    "SecretNotFoundError",
    "SecretProviderNotFoundError",
    "SecretStoreLockedError",
    "SecretStoreUnavailableError",
    "SessionAlreadyExistsError",
    "SessionForbiddenError",
    "SessionNotFoundError",
    "SessionStoreUnavailableError",
    "StateError",
    "ToggleError",
    "ToggleTimeoutError",
    "TooManyDisablesError",
    "UnsupportedOperationError",
    "WorkloadBusyError",
    "WorkloadExistsError",
    "WorkloadFailedError",
    "WorkloadInUseError",
    "WorkloadNotFoundError",
    "WorkloadNotReadyError",
    "WorkloadsError",
    "WrongPasswordError",
)


def _rebuild(cls: type[WorkloadsError], args: tuple[Any, ...], facts: dict[str, Any]) -> WorkloadsError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class WorkloadsError(Exception):
    """The root of every error raised by this library."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors take facts and compose the message, so the default of calling the class
        # with `args` again would fail.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


class Problem(NamedTuple):
    """One thing wrong with a document.

    Attributes:
        path: Where it is, such as ``permission_profile.network.outbound.allow_port[2]``; empty for
            the document as a whole.
        message: What is wrong and what would be right.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class RunConfigError(WorkloadsError, ValueError):
    """A run config cannot be read, or asks for something that cannot be done.

    Attributes:
        problems: Every problem found, each with its path.
        source: What was read, such as a file path; empty when it was built in memory.
    """

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        head = f"invalid run config {source}".rstrip()
        if len(self.problems) == 1:
            message = f"{head}: {self.problems[0]}"
        else:
            listed = "".join(f"\n  {problem}" for problem in self.problems)
            message = f"{head}: {len(self.problems)} problems{listed}"
        super().__init__(message)


class InvalidNameError(WorkloadsError, ValueError):
    """A name is not allowed where it was used.

    Attributes:
        name: The name as given.
        rule: The rule it breaks.
    """

    def __init__(self, name: str, rule: str, *, kind: str = "workload") -> None:
        self.name = name
        self.rule = rule
        super().__init__(f"invalid {kind} name {name!r}: {rule}")


class WorkloadNotFoundError(WorkloadsError, LookupError):
    """No workload of that name exists.

    Attributes:
        name: The name that was looked up.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"workload {name!r} not found; list_workloads(all=True) shows those that exist")


class WorkloadExistsError(WorkloadsError, FileExistsError):
    """A workload of that name exists already.

    Attributes:
        name: The name.
        status: The status of the existing workload.
    """

    def __init__(self, name: str, status: str) -> None:
        self.name = name
        self.status = status
        super().__init__(f"workload {name!r} already exists ({status}); delete it first or choose another name")


class WorkloadNotReadyError(WorkloadsError, TimeoutError):
    """A workload did not become ready within the caller's time; it goes on starting.

    Attributes:
        name: The workload.
        waited: Seconds waited.
        status: The last status observed.
        status_context: What was known about that status.
        logs: The last log lines of the server.
    """

    def __init__(
        self, name: str, *, waited: float, status: str, status_context: str = "", logs: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.waited = waited
        self.status = status
        self.status_context = status_context
        self.logs = tuple(logs)
        super().__init__(
            f"workload {name!r} was not ready after {waited:g} s: {_state(status, status_context)}{_tail(self.logs)}"
        )


class WorkloadBusyError(WorkloadsError, TimeoutError):
    """Another operation on the workload did not end within the caller's time.

    Attributes:
        name: The workload.
        waited: Seconds waited.
    """

    def __init__(self, name: str, *, waited: float) -> None:
        self.name = name
        self.waited = waited
        super().__init__(f"workload {name!r} is busy with another operation (waited {waited:g} s); try again")


class WorkloadFailedError(WorkloadsError, RuntimeError):
    """A workload could not be run, or ended with an error.

    Attributes:
        name: The workload.
        reason: What happened.
        logs: The last log lines of the server.
    """

    def __init__(self, name: str, reason: str, *, logs: Sequence[str] = ()) -> None:
        self.name = name
        self.reason = reason
        self.logs = tuple(logs)
        super().__init__(f"workload {name!r} failed: {reason}{_tail(self.logs)}")


class WorkloadInUseError(WorkloadsError, RuntimeError):
    """A workload was not put to sleep, because somebody uses it.

    Attributes:
        name: The workload.
        users: Who or what keeps it awake, each for people.
    """

    def __init__(self, name: str, users: Sequence[str]) -> None:
        self.name = name
        self.users = tuple(users)
        super().__init__(
            f"workload {name!r} is in use: {'; '.join(self.users)}; it sleeps by itself when nobody uses it, or stop it"
        )


class PortInUseError(WorkloadsError, OSError):
    """A port that was asked for by number is taken.

    Attributes:
        host: The address.
        port: The port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__(f"port {port} on {host} is in use; choose another, or 0 for a free one")


class CommandNotFoundError(WorkloadsError, FileNotFoundError):
    """A program that a workload needs is not on this machine.

    Attributes:
        command: The program.
        hint: How to get it.
    """

    def __init__(self, command: str, hint: str) -> None:
        self.command = command
        self.hint = hint
        super().__init__(f"command {command!r} not found: {hint}")


class GroupNotFoundError(WorkloadsError, LookupError):
    """No group of that name exists.

    Attributes:
        group: The name that was looked up.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        super().__init__(f"group {group!r} not found; create it first")


class GroupExistsError(WorkloadsError, FileExistsError):
    """A group of that name exists already.

    Attributes:
        group: The name.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        super().__init__(f"group {group!r} already exists; use it or choose another name")


class GroupNotEmptyError(WorkloadsError, OSError):
    """A group was not deleted because workloads belong to it.

    Attributes:
        group: The group.
        members: The workloads that belong to it.
    """

    def __init__(self, group: str, members: Sequence[str]) -> None:
        self.group = group
        self.members = tuple(members)
        super().__init__(
            f"group {group!r} has workloads: {', '.join(self.members)}; delete or move them, or name a group to move "
            "them to (move_members_to)"
        )


class RuntimeNotFoundError(WorkloadsError, LookupError):
    """No runtime of that name is registered.

    Attributes:
        runtime: The name that was asked for.
        usable: The runtimes that could be used instead.
    """

    def __init__(self, runtime: str, usable: Sequence[str]) -> None:
        self.runtime = runtime
        self.usable = tuple(usable)
        super().__init__(f"runtime {runtime!r} not found; usable here: {', '.join(self.usable) or 'none'}")


class RuntimeUnavailableError(WorkloadsError, ConnectionError):
    """A runtime is known, but cannot be used here.

    Attributes:
        runtime: The runtime that was asked for.
        reason: Why it cannot be used.
        usable: The runtimes that could be used instead.
    """

    def __init__(self, runtime: str, reason: str, usable: Sequence[str] = ()) -> None:
        self.runtime = runtime
        self.reason = reason
        self.usable = tuple(usable)
        others = f"; usable here: {', '.join(self.usable)}" if self.usable else ""
        super().__init__(f"runtime {runtime!r} cannot be used: {reason}{others}")


class UnsupportedOperationError(WorkloadsError, NotImplementedError):
    """A manager or runtime does not offer this operation; its ``capabilities`` tell beforehand.

    Attributes:
        operation: What was asked for.
        reason: Why it is not offered.
    """

    def __init__(self, operation: str, reason: str) -> None:
        self.operation = operation
        self.reason = reason
        super().__init__(f"{operation} is not supported: {reason}")


class MissingDependencyError(WorkloadsError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        extra: The extra of this package that brings it.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs an optional dependency: pip install 'workloads[{extra}]'")


class StateError(WorkloadsError, OSError):
    """The state on disk cannot be used.

    Attributes:
        path: The file or folder.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class InsecureStateError(StateError, PermissionError):
    """A state folder belongs to, or can be written by, someone else, so what it holds cannot be trusted."""


class CorruptStateError(StateError, ValueError):
    """A state file is damaged. It was left as it is."""


class SecretNotFoundError(WorkloadsError, LookupError):
    """A secret that a run config refers to is not known to any provider.

    Attributes:
        names: The secrets that are missing.
        hint: Where they were looked up and how to provide them.
    """

    def __init__(self, names: Sequence[str], hint: str) -> None:
        self.names = tuple(names)
        self.hint = hint
        super().__init__(f"secret not found: {', '.join(self.names)}; {hint}")


class InvalidSecretError(WorkloadsError, ValueError):
    """A value that no secret can have was given for one. The message does not repeat it.

    Attributes:
        name: The secret.
        rule: The rule that the value breaks.
    """

    def __init__(self, name: str, rule: str) -> None:
        self.name = name
        self.rule = rule
        super().__init__(f"invalid value for secret {name!r}: {rule}")


class SecretProviderNotFoundError(WorkloadsError, LookupError):
    """No provider of secrets has that name.

    Attributes:
        provider: The name that was asked for.
        known: The providers that there are.
    """

    def __init__(self, provider: str, known: Sequence[str]) -> None:
        self.provider = provider
        self.known = tuple(known)
        super().__init__(f"secret provider {provider!r} not found; there are: {', '.join(self.known)}")


class SecretStoreUnavailableError(WorkloadsError, ConnectionError):
    """What keeps secrets cannot be used here and now.

    Attributes:
        provider: The provider of secrets.
        reason: Why it cannot be used, and what to do.
    """

    def __init__(self, provider: str, reason: str) -> None:
        self.provider = provider
        self.reason = reason
        super().__init__(f"secret provider {provider!r} cannot be used: {reason}")


class SecretStoreLockedError(SecretStoreUnavailableError, PermissionError):
    """What keeps secrets is there, but locked, or needs a password that is not known."""


class WrongPasswordError(SecretStoreUnavailableError, PermissionError):
    """What keeps secrets was not encrypted with this password."""


class SessionNotFoundError(WorkloadsError, LookupError):
    """There is no session of that id, or it expired: a client starts a new one.

    Attributes:
        session_id: The id.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"session {session_id!r} not found; initialize a new one")


class SessionAlreadyExistsError(WorkloadsError, FileExistsError):
    """A session of that id exists already.

    Attributes:
        session_id: The id.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"session {session_id!r} exists already; choose another id")


class SessionForbiddenError(WorkloadsError, PermissionError):
    """The session belongs to somebody else than who asks for it, or does not say whose it is where it must.

    Attributes:
        session_id: The id.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"session {session_id!r} belongs to another identity; initialize a new one")


class SessionStoreUnavailableError(WorkloadsError, ConnectionError):
    """What keeps sessions cannot be reached, so it is not known whether a session exists.

    Attributes:
        store: The store, without passwords.
        reason: Why it cannot be reached.
    """

    def __init__(self, store: str, reason: str) -> None:
        self.store = store
        self.reason = reason
        super().__init__(f"session store {store} cannot be reached: {reason}; try again when it is back")


class CorruptSessionError(SessionStoreUnavailableError, ValueError):
    """What is kept of a session is damaged. It is not taken for absent, and was left as it is.

    Attributes:
        session_id: The id.
    """

    def __init__(self, session_id: str, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.session_id = session_id
        self.args = (f"session {session_id!r} in {store} is damaged: {reason}; delete it to start anew",)


class InvalidSessionStoreError(WorkloadsError, ValueError):
    """A storage of sessions cannot be set up with these parameters. Passwords are not repeated.

    Attributes:
        problems: Every problem found, each with the parameter, or the part of the URL, that it is in.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("invalid session store: " + "; ".join(map(str, self.problems)))


class ToggleError(WorkloadsError, OSError):
    """Sleeping could not be forbidden, or could not be allowed. What the toggler raised is the cause.

    Attributes:
        verb: What failed: ``disable`` (forbid sleeping) or ``enable`` (allow it).
        reason: Why.
    """

    def __init__(self, verb: str, reason: str) -> None:
        self.verb = verb
        self.reason = reason
        what = "forbidden" if verb == "disable" else "allowed"
        super().__init__(f"sleeping could not be {what}: {reason}")


class ToggleTimeoutError(ToggleError, TimeoutError):
    """It is not known yet whether sleeping is forbidden or allowed; the call may still be under way."""


class ControlFileError(WorkloadsError, OSError):
    """The file through which a platform is told to keep a machine awake cannot be used.

    Attributes:
        path: The file.
        reason: What is wrong with it.
        errno: The number of the system's error; None when it is not one of the system's.
    """

    def __init__(self, path: Path, reason: str, *, errno: int | None = None) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
        self.errno = errno


class ControllerClosedError(WorkloadsError, RuntimeError):
    """A controller was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("this controller is closed; make another one")


class TooManyDisablesError(WorkloadsError, OverflowError):
    """So many names forbid sleeping that another one is refused.

    Attributes:
        limit: How many there may be.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} names forbid sleeping already; enable those that are done, or give them a ttl")


class BatchError(ExceptionGroup[WorkloadsError], WorkloadsError):
    """Some workloads of a batch failed; the others were carried out.

    Attributes:
        results: The outcome by name: None where it succeeded.
    """

    results: Mapping[str, WorkloadsError | None] = MappingProxyType({})

    def derive(self, excs: Sequence[WorkloadsError], /) -> BatchError:  # type: ignore[override]  # narrower on purpose
        """The error for some of these errors, as ``split`` and ``except*`` need it."""
        derived = BatchError(self.message, excs)
        derived.results = self.results
        return derived

    @classmethod
    def of(cls, results: Mapping[str, WorkloadsError | None]) -> BatchError:
        """The error for these outcomes, of which at least one is an error."""
        failed = {name: error for name, error in results.items() if error is not None}
        listed = "; ".join(str(error).partition("\n")[0] for error in failed.values())
        error = cls(f"{len(failed)} of {len(results)} workloads failed: {listed}", list(failed.values()))
        error.results = dict(results)
        return error


def _state(status: str, context: str) -> str:
    return f"{status} ({context})" if context else status


def _tail(logs: Sequence[str]) -> str:
    return "\nlast log lines:\n" + "\n".join(f"  {line}" for line in logs) if logs else ""
