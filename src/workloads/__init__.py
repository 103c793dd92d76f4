"""Run, find, route to and idle long-running servers, MCP servers first of all.

The names below are the public ones. Each is imported on first use, so that ``import workloads`` costs next to nothing
and loads no SDK.

Example:
    >>> import workloads
    >>> config = workloads.RunConfig(name="time", image="uvx://mcp-server-time")
    >>> config.name
    'time'
"""

from __future__ import annotations

# Type checkers take this name for true whatever it is bound to, and so even `typing` need not be imported.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from workloads.completion import Completion
    from workloads.config import PermissionProfile, RunConfig, ScalingConfig
    from workloads.discovery import Backend, BackendDiscoverer, BackendEvent, BackendHealth
    from workloads.errors import (
        BatchError,
        CommandNotFoundError,
        ControlFileError,
        ControllerClosedError,
        CorruptSessionError,
        CorruptStateError,
        GroupExistsError,
        GroupNotEmptyError,
        GroupNotFoundError,
        InsecureStateError,
        InvalidNameError,
        InvalidSecretError,
        InvalidSessionStoreError,
        MissingDependencyError,
        PortInUseError,
        Problem,
        RunConfigError,
        RuntimeNotFoundError,
        RuntimeUnavailableError,
        SecretNotFoundError,
        SecretProviderNotFoundError,
        SecretStoreLockedError,
        SecretStoreUnavailableError,
        SessionAlreadyExistsError,
        SessionForbiddenError,
        SessionNotFoundError,
        SessionStoreUnavailableError,
        StateError,
        ToggleError,
        ToggleTimeoutError,
        TooManyDisablesError,
        UnsupportedOperationError,
        WorkloadBusyError,
        WorkloadExistsError,
        WorkloadFailedError,
        WorkloadInUseError,
        WorkloadNotFoundError,
        WorkloadNotReadyError,
        WorkloadsError,
        WrongPasswordError,
    )
    from workloads.factory import (
        Detection,
        Settings,
        detect_runtime,
        new_backend_discoverer,
        new_group_manager,
        new_manager,
    )
    from workloads.groups import Group, GroupManager
    from workloads.manager import (
        Manager,
        Stream,
        WorkloadGrouping,
        WorkloadLifecycle,
        WorkloadLogs,
        WorkloadReader,
        WorkloadWatcher,
    )
    from workloads.managers import LocalManager
    from workloads.model import (
        Capability,
        EventType,
        ProxyMode,
        TransportType,
        Workload,
        WorkloadEvent,
        WorkloadStatus,
    )

    __version__: str

__all__ = (
    "Backend",
    "BackendDiscoverer",
    "BackendEvent",
    "BackendHealth",
    "BatchError",
    "Capability",
    "CommandNotFoundError",
    "Completion",
    "ControlFileError",
    "ControllerClosedError",
    "CorruptSessionError",
    "CorruptStateError",
    "Detection",
    "EventType",
    "Group",
    "GroupExistsError",
    "GroupManager",
    "GroupNotEmptyError",
    "GroupNotFoundError",
    "InsecureStateError",
    "InvalidNameError",
    "InvalidSecretError",
    "InvalidSessionStoreError",
    "LocalManager",
    "Manager",
    "MissingDependencyError",
    "PermissionProfile",
    "PortInUseError",
    "Problem",
    "ProxyMode",
    "RunConfig",
    "RunConfigError",
    "RuntimeNotFoundError",
    "RuntimeUnavailableError",
    "ScalingConfig",
    "SecretNotFoundError",
    "SecretProviderNotFoundError",
    "SecretStoreLockedError",
    "SecretStoreUnavailableError",
    "SessionAlreadyExistsError",
    "SessionForbiddenError",
    "SessionNotFoundError",
    "SessionStoreUnavailableError",
    "Settings",
    "StateError",
    "Stream",
    "ToggleError",
    "ToggleTimeoutError",
    "TooManyDisablesError",
    "TransportType",
    "UnsupportedOperationError",
    "Workload",
    "WorkloadBusyError",
    "WorkloadEvent",
    "WorkloadExistsError",
    "WorkloadFailedError",
    "WorkloadGrouping",
    "WorkloadInUseError",
    "WorkloadLifecycle",
    "WorkloadLogs",
    "WorkloadNotFoundError",
    "WorkloadNotReadyError",
    "WorkloadReader",
    "WorkloadStatus",
    "WorkloadWatcher",
    "WorkloadsError",
    "WrongPasswordError",
    "detect_runtime",
    "new_backend_discoverer",
    "new_group_manager",
    "new_manager",
)

# Where each name lives. A name that is not listed here is an error of `workloads.errors`.
_MODULES = {
    "Backend": "discovery",
    "BackendDiscoverer": "discovery",
    "BackendEvent": "discovery",
    "BackendHealth": "discovery",
    "Capability": "model",
    "Completion": "completion",
    "Detection": "factory",
    "EventType": "model",
    "Group": "groups",
    "GroupManager": "groups",
    "LocalManager": "managers",
    "Manager": "manager",
    "PermissionProfile": "config",
    "ProxyMode": "model",
    "RunConfig": "config",
    "ScalingConfig": "config",
    "Settings": "factory",
    "Stream": "manager",
    "TransportType": "model",
    "Workload": "model",
    "WorkloadEvent": "model",
    "WorkloadGrouping": "manager",
    "WorkloadLifecycle": "manager",
    "WorkloadLogs": "manager",
    "WorkloadReader": "manager",
    "WorkloadStatus": "model",
    "WorkloadWatcher": "manager",
    "detect_runtime": "factory",
    "new_backend_discoverer": "factory",
    "new_group_manager": "factory",
    "new_manager": "factory",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from workloads._core.version import VERSION

        value: object = VERSION
    elif name in __all__:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
