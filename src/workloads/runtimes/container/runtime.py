"""The container runtimes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from workloads._core.paths import DEFAULT_APP
from workloads.errors import PortInUseError, RunConfigError, WorkloadFailedError
from workloads.model import Capability, Isolation, TransportType
from workloads.runtimes.container import admission
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.events import ContainerEvents, changed_workload
from workloads.runtimes.container.hardening import hardening, wants_limits
from workloads.runtimes.container.images import described, ensure_image, image_id
from workloads.runtimes.container.labels import selector
from workloads.runtimes.container.leftovers import end_containers, remove_containers
from workloads.runtimes.container.listing import listed, sightings
from workloads.runtimes.container.networks import is_network_lost, network_mode
from workloads.runtimes.container.request import LOOPBACK, TARGET_PORT, container_name, container_request
from workloads.runtimes.container.secret_files import delivered, split, sweep
from workloads.runtimes.container.starting import started
from workloads.runtimes.container.stats import measured
from workloads.runtimes.container.ways import abandon_way, open_way, remove_ways
from workloads.runtimes.engines import DOCKER, PODMAN, endpoints
from workloads.runtimes.protocol import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workloads.config import RunConfig
    from workloads.errors import Problem
    from workloads.manager import Stream
    from workloads.model import ReplicaStats
    from workloads.runtimes.container.hardening import Hardening
    from workloads.runtimes.container.images import Progress
    from workloads.runtimes.container.replica import ContainerReplica
    from workloads.runtimes.protocol import Sighting

__all__ = ("ContainerRuntime", "docker", "podman")

_TRIES = 5
_NOBODY = Owner(app=DEFAULT_APP, scope="")


def docker() -> ContainerRuntime:
    """The runtime of Docker, looked for where the environment says, and in well-known places."""
    return ContainerRuntime(Engine(DOCKER))


def podman() -> ContainerRuntime:
    """The runtime of Podman, likewise."""
    return ContainerRuntime(Engine(PODMAN))


class ContainerRuntime:
    """Runs servers as containers of an engine. See :class:`~workloads.runtimes.protocol.LastingRuntime`.

    A container goes on when the process that started it is killed, and stays when it has ended: the next start of the
    same workload takes it again, unless the run config, a secret or the image has changed. It is never started again
    by the engine itself. The environment of a container, secrets included, can be seen by whoever may use the engine.
    """

    def __init__(self, engine: Engine, owner: Owner = _NOBODY, *, told: Callable[[str], object] | None = None) -> None:
        """Prepare to run servers; nothing is done yet.

        Args:
            engine: What runs them.
            owner: On whose behalf. Default: nobody's who would find them again, so none is left when it has ended.
            told: Told what a start waits for, in words. Default: nobody.
        """
        self._engine = engine
        self._owner = owner
        self._told = told

    def owned(self, owner: Owner, *, told: Callable[[str], object] | None = None) -> Self:
        """The same, on behalf of somebody.

        Args:
            owner: Whose servers they are.
            told: Told what a start waits for, in words. Default: nobody.
        """
        return type(self)(self._engine, owner, told=told)

    @property
    def name(self) -> str:
        """``docker`` or ``podman``."""
        return self._engine.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond starting and stopping."""
        return frozenset({Capability.STDIO, Capability.SUSPEND, Capability.ISOLATION})

    @property
    def isolation(self) -> Isolation:
        """Servers are containers."""
        return Isolation.CONTAINER

    def refusals(self, config: RunConfig) -> list[Problem]:
        """Every key of a run config that containers cannot honour. Pure.

        Args:
            config: What would be run.
        """
        return admission.refusals(config)

    def preflight(self, config: RunConfig) -> None:
        """Check early that the engine answers, and has the image if it must not be fetched.

        Args:
            config: What would be run; one that is not refused.

        Raises:
            RunConfigError: It would show a server what none may see, or asks for limits that this engine does not keep.
            WorkloadFailedError: The image is not there, or what shall be mounted is not.
            RuntimeUnavailableError: The engine does not answer.
        """
        _check_mounts(self._hardening(config), config.name)
        present = image_id(self._engine, config.image, name=config.name)
        if not present and config.pull == "never":
            ensure_image(self._engine, config.image, name=config.name, pull=config.pull)

    def start_replica(
        self, config: RunConfig, index: int, *, secrets: Mapping[str, str], log: Path, folder: Path
    ) -> ContainerReplica:
        """Start one copy of the server; its image is fetched first when that is needed.

        Args:
            config: What to run.
            index: Its number within the workload, from 0.
            secrets: Resolved secrets: environment variable, or path of a file, and value. They are kept in memory, and
                given to the engine.
            log: Where what it writes goes, rotated; for a stdio server only its standard error.
            folder: Not used: its working folder is the image's.

        Raises:
            RunConfigError: The run config asks for what this runtime cannot give; lists every such key.
            PortInUseError: A port that it shall publish is taken.
            WorkloadFailedError: It could not be started.
            RuntimeUnavailableError: The engine does not answer.
            InsecureStateError: The folder of its log belongs to or can be written by someone else.
            StateError: Its log cannot be made.
        """
        del folder
        if problems := self.refusals(config):
            raise RunConfigError(problems)
        _check_mounts(self._hardening(config), config.name)
        image = self._image(config)
        for left in reversed(range(_TRIES)):
            try:
                return self._started(config, index, image, secrets, log)
            except WorkloadFailedError as error:
                # Somebody removed the network with the last container on it, just before this one was.
                if not left or not is_network_lost(error.reason, self._owner):
                    raise
        raise AssertionError("the last try returns or raises")

    def _started(
        self, config: RunConfig, index: int, image: str, secrets: Mapping[str, str], log: Path
    ) -> ContainerReplica:
        host_port = _host_port(config)
        container = container_name(config, self._owner, index)
        port = 0 if config.transport is TransportType.STDIO else config.target_port or TARGET_PORT
        way = open_way(self._engine, self._owner, config, index, container=container, port=port)
        environment, files = split(secrets)
        try:
            with delivered(files, self._owner, name=config.name, container=container) as mounts:
                confined = self._hardening(config)
                confined = attrs.evolve(confined, mounts=(*confined.mounts, *mounts))
                request = container_request(
                    config,
                    self._owner,
                    index,
                    secrets=environment,
                    host_config=confined.host_config() | {"NetworkMode": way.mode},
                    host_port=host_port,
                    publishes=way.publishes,
                    environ=way.environ,
                )
                return started(self._engine, self._owner, config.name, request, index, way=way, image=image, log=log)
        except BaseException:
            abandon_way(self._engine, self._owner, config.name, way, container=container)
            raise

    def _image(self, config: RunConfig) -> str:
        """The id of the image, fetched if that is needed."""
        last = ""

        def tell(progress: Progress) -> None:
            nonlocal last
            text = described(config.image, progress)
            if self._told is not None and text != last:
                self._told(text)
            last = text

        image = ensure_image(self._engine, config.image, name=config.name, pull=config.pull, told=tell)
        if last and self._told is not None:
            self._told("")
        return image

    def _hardening(self, config: RunConfig) -> Hardening:
        """What confines a server, for which the engine and the application's folders are out of reach."""
        sockets = [each.url.removeprefix("unix://") for each in endpoints(os.environ) if each.url.startswith("unix://")]
        place = self._engine.url.removeprefix("unix://")
        guarded = (*sockets, place, *self._owner.folders)
        limits = not wants_limits(config) or self._engine.keeps_limits()
        return hardening(config, guarded=guarded, init=self._engine.has_init(), limits=limits)

    def sightings(self, name: str = "") -> list[Sighting]:
        """The servers of the owner's workloads that there are, by one call however many there are.

        Args:
            name: Only those of this workload; empty is all.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        return sightings(listed(self._engine, self._owner, name), self._owner.app)

    def stats(self, name: str) -> list[ReplicaStats]:
        """What each server of a workload uses that lives, by their numbers.

        Args:
            name: The workload.

        Raises:
            WorkloadFailedError: The engine cannot tell.
            RuntimeUnavailableError: It does not answer.
        """
        return measured(self._engine, name, {each.index: each.container for each in self.sightings(name) if each.lives})

    def changes(self) -> Stream[str]:
        """The names of the owner's workloads whose containers have changed, as ``LastingRuntime`` says."""
        app = self._owner.app
        return ContainerEvents(self._engine, selector(self._owner), lambda event: changed_workload(event, app))

    def end(self, name: str, grace: float) -> None:
        """End every container of a workload that lives; they stay, for the next start.

        Args:
            name: The workload.
            grace: Seconds to end by itself in.

        Raises:
            WorkloadFailedError: The engine cannot.
            RuntimeUnavailableError: It does not answer.
        """
        end_containers(self._engine, self._owner, name, grace)

    def remove(self, name: str, *, first: int = 0) -> None:
        """End every container of a workload, and remove it, and the secrets of those whose start was killed.

        Args:
            name: The workload.
            first: Leave those of the replicas alone whose number is less. Default: 0, none is.

        Raises:
            WorkloadFailedError: The engine cannot.
            RuntimeUnavailableError: It does not answer.
        """
        remove_containers(self._engine, self._owner, name, first=first)
        remove_ways(self._engine, self._owner, name, first=first)
        sweep()

    def close(self) -> None:
        """Close idle connections. Idempotent."""
        self._engine.close()


def _check_mounts(confined: Hardening, name: str) -> None:
    """Check that what shall be mounted is there: some engines would make a folder of it.

    Raises:
        WorkloadFailedError: It is not.
    """
    for mount in confined.mounts:
        if not mount.volume:
            try:
                Path(mount.source).stat()
            except FileNotFoundError:
                reason = f"{mount.source} shall be mounted and does not exist; create it first"
                raise WorkloadFailedError(name, reason) from None
            except OSError:
                continue  # the engine may see more than this user


def _host_port(config: RunConfig) -> int:
    """The port that an HTTP server listens on which has the network of this machine; 0 for any other."""
    if network_mode(config) != "host" or config.transport is TransportType.STDIO:
        return 0
    from workloads.runtimes.process.ports import free_port, is_free

    if not config.target_port:
        return free_port(LOOPBACK)
    if not is_free(config.target_port, LOOPBACK):
        raise PortInUseError(LOOPBACK, config.target_port)
    return config.target_port
