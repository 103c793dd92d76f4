"""What a manager can be told when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("Settings",)


@attrs.frozen(kw_only=True)
class Settings:
    """Settings of a manager. Every one has a default that suits most programs.

    Attributes:
        app: The application whose workloads are managed: the name of its folders below the user's XDG folders.
        state_dir: The one folder for all state instead of those; None takes the user's XDG folders.
        namespace: The Kubernetes namespace; None takes that of the pod, else of the kubeconfig, else ``default``.
        python: The interpreter that runs the proxy runners of detached workloads; None is this one. A program that is
            not itself run by an interpreter with this package (a frozen one) has to name one.
        busy_timeout: Seconds that an operation on a workload waits for another one on it to end, before it fails with
            ``WorkloadBusyError``. A call that was given a ``wait`` waits for that long instead.
        max_staleness: Seconds that what a manager knows may be old before a read fails instead; only for managers that
            keep a copy.
    """

    app: str = "workloads"
    state_dir: Path | None = None
    namespace: str | None = None
    python: str | None = None
    busy_timeout: float = 60.0
    max_staleness: float = 60.0
