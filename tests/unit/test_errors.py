"""The error tree: builtin parents, facts, messages that say what to do, pickling."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from workloads import errors
from workloads.errors import BatchError, Problem, RunConfigError, WorkloadNotFoundError, WorkloadNotReadyError

EXAMPLES: list[tuple[errors.WorkloadsError, type[BaseException]]] = [
    (RunConfigError([Problem("port", "expected int")], source="x.json"), ValueError),
    (errors.InvalidNameError("a/b", "no slash"), ValueError),
    (WorkloadNotFoundError("a"), LookupError),
    (errors.WorkloadExistsError("a", "running"), FileExistsError),
    (WorkloadNotReadyError("a", waited=2, status="starting", logs=["x"]), TimeoutError),
    (errors.WorkloadBusyError("a", waited=1), TimeoutError),
    (errors.WorkloadFailedError("a", "exited with code 3", logs=["boom"]), RuntimeError),
    (errors.PortInUseError("127.0.0.1", 80), OSError),
    (errors.CommandNotFoundError("uvx", "pip install uv"), FileNotFoundError),
    (errors.GroupNotFoundError("g"), LookupError),
    (errors.RuntimeNotFoundError("x", ["process"]), LookupError),
    (errors.RuntimeUnavailableError("docker", "no socket", ["process"]), ConnectionError),
    (errors.UnsupportedOperationError("watch", "not here"), NotImplementedError),
    (errors.MissingDependencyError("docker", "runtime 'docker'"), ImportError),
    (errors.StateError(Path("/x"), "cannot be read"), OSError),
    (errors.InsecureStateError(Path("/x"), "writable by others"), PermissionError),
    (errors.CorruptStateError(Path("/x"), "is not JSON"), ValueError),
    (errors.SecretNotFoundError(["a"], "set it"), LookupError),
    (errors.InvalidSecretError("a", "it is empty"), ValueError),
    (errors.SecretProviderNotFoundError("vault", ["keyring"]), LookupError),
    (errors.SecretStoreUnavailableError("keyring", "no backend"), ConnectionError),
    (errors.SecretStoreLockedError("keyring", "unlock it"), PermissionError),
    (errors.WrongPasswordError("encrypted", "try another"), PermissionError),
    (errors.SessionNotFoundError("a"), LookupError),
    (errors.SessionAlreadyExistsError("a"), FileExistsError),
    (errors.SessionForbiddenError("a"), PermissionError),
    (errors.SessionStoreUnavailableError("redis://x:6379/0", "refused"), ConnectionError),
    (errors.CorruptSessionError("a", "redis://x:6379/0", "it is no JSON"), ValueError),
    (errors.InvalidSessionStoreError([Problem("ttl", "expected a number of seconds above 0")]), ValueError),
    (errors.ToggleError("disable", "no such file"), OSError),
    (errors.ToggleTimeoutError("enable", "no answer"), TimeoutError),
    (errors.ControlFileError(Path("/x"), "is a folder", errno=21), OSError),
    (errors.ControllerClosedError(), RuntimeError),
    (errors.TooManyDisablesError(3), OverflowError),
]


@pytest.mark.parametrize(("error", "builtin"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_a_leaf_is_what_a_caller_would_catch_and_survives_pickle_and_copy(error, builtin):
    assert isinstance(error, errors.WorkloadsError)
    assert isinstance(error, builtin)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__


def test_every_public_error_is_in_the_drawn_tree():
    for name in errors.__all__:
        if name not in ("Problem", "WorkloadsError"):
            assert name in (errors.__doc__ or ""), name


def test_a_run_config_error_lists_every_problem_with_its_path():
    error = RunConfigError([Problem("port", "expected int"), Problem("", "is empty")], source="x.json")
    assert str(error) == "invalid run config x.json: 2 problems\n  port: expected int\n  is empty"


def test_a_wait_that_timed_out_ends_with_the_last_state_and_log_lines():
    error = WorkloadNotReadyError("a", waited=2.5, status="starting", status_context="refused", logs=["one", "two"])
    assert str(error).splitlines() == [
        "workload 'a' was not ready after 2.5 s: starting (refused)",
        "last log lines:",
        "  one",
        "  two",
    ]


def test_a_batch_error_holds_every_outcome_and_can_be_split():
    error = BatchError.of({"a": None, "b": WorkloadNotFoundError("b"), "c": errors.WorkloadBusyError("c", waited=1)})
    assert list(error.results) == ["a", "b", "c"]
    assert "2 of 3 workloads failed" in str(error)
    matched, rest = error.split(WorkloadNotFoundError)
    assert isinstance(matched, BatchError)
    assert isinstance(rest, BatchError)
    assert matched.results == error.results
    twin = pickle.loads(pickle.dumps(error))
    assert list(twin.results) == ["a", "b", "c"]
    assert len(twin.exceptions) == 2
