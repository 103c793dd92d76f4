"""Where an application keeps its files on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core.files import entry
from workloads._core.variables import HOME, XDG_DATA_HOME, XDG_STATE_HOME, Variable
from workloads.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("DEFAULT_APP", "TOOLHIVE", "Paths")

DEFAULT_APP = "workloads"
"""The application directory of this library."""

TOOLHIVE = "toolhive"
"""The application directory of ToolHive."""


@attrs.frozen
class Paths:
    """The folders of one application directory; nothing is created by asking.

    Attributes:
        state: The folder above run configs, groups and runtime records.
        data: The folder above statuses and logs; the same when a state folder was given.
    """

    state: Path
    data: Path

    @classmethod
    def locate(
        cls, app: str = DEFAULT_APP, state_dir: Path | None = None, *, environ: Mapping[str, str] | None = None
    ) -> Paths:
        """The folders of an application, by the rules of XDG.

        Args:
            app: The application directory: ``workloads`` (the default), or ``toolhive`` for what ToolHive wrote.
            state_dir: A folder to keep everything in instead; a relative one is meant from the working folder of now.
            environ: Where ``XDG_STATE_HOME``, ``XDG_DATA_HOME`` and ``HOME`` are looked up; None (the default) is the
                environment of this process. A relative path there is ignored, as XDG says.

        Raises:
            InvalidNameError: ``app`` cannot be the name of a folder.
            StateError: No folder is given and this user has no home.
        """
        if state_dir is not None:
            folder = Path(state_dir).absolute()
            return cls(folder, folder)
        environ = os.environ if environ is None else environ
        state, data = ".local/state", ".local/share"
        if sys.platform == "darwin" and app == TOOLHIVE:
            # Where ToolHive puts both on macOS; other command-line programs, this one too, keep to XDG there.
            state = data = "Library/Application Support"
        return cls(
            entry(_base(environ, XDG_STATE_HOME, state), app, kind="application"),
            entry(_base(environ, XDG_DATA_HOME, data), app, kind="application"),
        )

    @property
    def runconfigs(self) -> Path:
        """The folder of run configs."""
        return self.state / "runconfigs"

    @property
    def groups(self) -> Path:
        """The folder of groups."""
        return self.state / "groups"

    @property
    def runtimes(self) -> Path:
        """The folder of runtime records: which processes and ports belong to which workload."""
        return self.state / "runtimes"

    @property
    def statuses(self) -> Path:
        """The folder of statuses."""
        return self.data / "statuses"

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return self.data / "logs"

    def proxy_log(self, base: str) -> Path:
        """The log of a workload's proxy runner.

        Args:
            base: The workload's base name.

        Raises:
            InvalidNameError: It cannot be the name of a file.
        """
        return entry(self.logs, f"{base}.log")

    def control_socket(self, base: str) -> Path:
        """The Unix socket on which a workload's proxy runner answers its operator.

        Args:
            base: The workload's base name.

        Raises:
            InvalidNameError: It cannot be the name of a file.
        """
        return entry(self.runtimes, f"{base}.sock")

    def server_log(self, base: str, replica: int) -> Path:
        """The log of one of a workload's servers.

        Args:
            base: The workload's base name.
            replica: Which copy, from 0.

        Raises:
            InvalidNameError: The base name cannot be the name of a folder.
        """
        return entry(self.logs / "servers", base) / f"{replica}.log"

    def server_folder(self, base: str, replica: int) -> Path:
        """The working folder of one of a workload's servers.

        Args:
            base: The workload's base name.
            replica: Which copy, from 0.

        Raises:
            InvalidNameError: The base name cannot be the name of a folder.
        """
        return entry(self.data / "servers", base) / str(replica)


def _base(environ: Mapping[str, str], variable: Variable, default: str) -> Path:
    value = variable.value(environ)
    return Path(value) if value.startswith("/") else _home(environ) / default


def _home(environ: Mapping[str, str]) -> Path:
    home = HOME.value(environ)
    if not home.startswith("/"):
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = ""
    if not home.startswith("/"):
        raise StateError(Path("~"), "this user has no home; set HOME, or give a state folder")
    return Path(home)
