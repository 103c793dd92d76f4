"""The process runtime."""

from __future__ import annotations

import os
import sys
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from workloads.errors import PortInUseError, RunConfigError, StateError, WorkloadFailedError
from workloads.model import Capability, Isolation, TransportType
from workloads.runtimes.process import admission
from workloads.runtimes.process.command import argument_vector, find_program
from workloads.runtimes.process.environment import inherited, server_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workloads.config import RunConfig
    from workloads.errors import Problem
    from workloads.runtimes.process.replica import ProcessReplica

__all__ = ("ProcessRuntime",)

_LOOPBACK = "127.0.0.1"
_REMEMBERED_PORTS = 128


class ProcessRuntime:
    """Runs servers as processes of this machine. See :class:`~workloads.runtimes.protocol.Runtime`.

    A server has its own session, process group and private working folder, umask 077, an environment built from
    nothing, no inherited descriptor and every signal at its default. It is not isolated otherwise: it can read and
    write what this user can. It ends when the process that started it ends, however that happens.
    """

    def __init__(self, *, python: str | None = None) -> None:
        """Prepare to run servers; nothing is done yet.

        Args:
            python: The interpreter of the small process that attends to each server; None is this one.
        """
        self._python = python or sys.executable
        # A server takes its port some time after it was chosen, and replicas are started at the same time.
        self._given: deque[int] = deque(maxlen=_REMEMBERED_PORTS)
        self._choosing = Lock()

    @property
    def name(self) -> str:
        """``process``."""
        return "process"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What plain processes allow; see :attr:`~workloads.runtimes.protocol.Runtime.capabilities`."""
        return frozenset({Capability.STDIO, Capability.SUSPEND})

    @property
    def isolation(self) -> Isolation:
        """None: servers are plain processes."""
        return Isolation.NONE

    def refusals(self, config: RunConfig) -> list[Problem]:
        """See :meth:`workloads.runtimes.protocol.Runtime.refusals`."""
        return admission.refusals(config)

    def preflight(self, config: RunConfig) -> None:
        """Check early that the program of a run config is on this machine.

        Args:
            config: What would be run; one that is not refused.

        Raises:
            CommandNotFoundError: It is not.
        """
        path = {**inherited(os.environ), **config.env_vars}["PATH"]
        find_program(argument_vector(config)[0], path)

    def start_replica(
        self, config: RunConfig, index: int, *, secrets: Mapping[str, str], log: Path, folder: Path
    ) -> ProcessReplica:
        """Start one copy of the server, and return once its program runs.

        See :meth:`workloads.runtimes.protocol.Runtime.start_replica`: the same parameters and errors.
        """
        from workloads._core.files import secure_folder
        from workloads.runtimes.process.log import RotatingLog
        from workloads.runtimes.process.replica import ProcessReplica
        from workloads.runtimes.process.spawn import spawn

        if problems := self.refusals(config):
            raise RunConfigError(problems)
        stdio = config.transport is TransportType.STDIO
        address = None if stdio else self._address(config)
        environ = server_environment(config, os.environ, address=address, secrets=secrets)
        program, *arguments = argument_vector(config)
        argv = [find_program(program, environ["PATH"]), *arguments]
        secure_folder(folder)
        secure_folder(log.parent)
        try:
            file = RotatingLog(log)
        except OSError as error:
            raise StateError(log, f"cannot be opened: {error.strerror}") from error
        try:
            spawned = spawn(config.name, argv, environ, folder, stdio=stdio, python=self._python)
        except BaseException:
            file.close()
            raise
        return ProcessReplica(spawned, file, index=index, address=address)

    def close(self) -> None:
        """Nothing is held. Replicas are stopped by who started them."""

    def _address(self, config: RunConfig) -> tuple[str, int]:
        """Where an HTTP server shall listen.

        Raises:
            PortInUseError: Somebody else listens there, to whom requests would go.
            WorkloadFailedError: It is not an address of this machine.
        """
        from workloads.runtimes.process.ports import free_port, is_free

        host, port = config.target_host or _LOOPBACK, config.target_port
        try:
            if not port:
                with self._choosing:
                    chosen = free_port(host, taken=self._given)
                    self._given.append(chosen)
                return host, chosen
            if is_free(port, host):
                return host, port
        except OSError as error:
            raise WorkloadFailedError(
                config.name, f"cannot listen on target_host {host!r}: {error.strerror}"
            ) from error
        raise PortInUseError(host, port)
