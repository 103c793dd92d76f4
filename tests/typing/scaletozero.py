"""The controllers and togglers of this package are what the protocols say. Checked by type checkers, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.scaletozero import DebouncedController, FileDisableStore, NoopController, aio
from workloads.scaletozero.togglers import NoopToggler, ProcessToggler, UnikraftToggler

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from workloads.scaletozero import (
        AsyncController,
        AsyncToggler,
        Controller,
        DisableStore,
        Toggler,
        TogglerWithState,
    )
    from workloads.scaletozero.togglers.process import ChildProcess
    from workloads.testing._controllers import BlockingController


def controllers(toggler: Toggler) -> list[Controller]:
    return [DebouncedController(toggler), NoopController()]


def asyncio_controllers(toggler: AsyncToggler) -> list[AsyncController]:
    return [aio.DebouncedController(toggler), aio.NoopController()]


def togglers(process: subprocess.Popen[bytes]) -> list[Toggler]:
    return [NoopToggler(), ProcessToggler(process), UnikraftToggler()]


def togglers_with_state() -> list[TogglerWithState]:
    return [NoopToggler(), UnikraftToggler()]


def adapted() -> AsyncToggler:
    return aio.to_async_toggler(NoopToggler())


def store(folder: Path) -> DisableStore:
    return FileDisableStore(folder)


def child(process: subprocess.Popen[bytes]) -> ChildProcess:
    return process


def behind_the_sync_verbs(controller: BlockingController) -> Controller:
    return controller
