"""What is kept of workloads on disk: run configs, statuses, and which processes belong to them."""

from workloads.state.run_configs import RunConfigStore
from workloads.state.runtimes import RuntimeRecord, RuntimeRecordStore
from workloads.state.statuses import StatusRecord, StatusStore

__all__ = ("RunConfigStore", "RuntimeRecord", "RuntimeRecordStore", "StatusRecord", "StatusStore")
