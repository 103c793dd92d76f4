"""The containers that ``thv`` made on the engines of this machine: finding, stopping and removing them."""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING

import attrs

from workloads.errors import RuntimeUnavailableError
from workloads.managers.toolhive.container import (
    EXTERNAL_NETWORK,
    SELECTOR,
    Container,
    changed_workload,
    read_container,
)
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.events import ContainerEvents
from workloads.runtimes.engines import ABSENT, DOCKER, PODMAN, Engines

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from docker import APIClient

    from workloads.managers.toolhive.logs import ContainerLines
    from workloads.model import ReplicaStats

__all__ = ("Containers", "Survey")

_ENGINES = (DOCKER, PODMAN)
_LIVING = ("running", "paused", "restarting")
# Docker says forbidden of a network with active endpoints, Podman conflict.
_IN_USE = (403, 409)


@attrs.frozen
class Survey:
    """What the engines of this machine told at one moment.

    Attributes:
        containers: What ``thv`` made, sidecars too.
        asked: The engines that answered.
        away: Why others did not, though they are there; empty when all that are there did.
    """

    containers: Sequence[Container]
    asked: Sequence[str]
    away: str


class Containers:
    """Containers of ``thv``'s, on whatever engine. Safe to use from several threads."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Nothing is looked for yet.

        Args:
            environ: The environment that says where engines are; None is that of this process.
        """
        self._environ = environ
        self._engines: dict[str, Engine] = {}

    def survey(self) -> Survey:
        """Ask every engine that is there, each once however many containers it has.

        Raises:
            MissingDependencyError: The extra ``docker`` is not installed.
        """
        containers: list[Container] = []
        asked: list[str] = []
        away = self._find()
        for name, engine in sorted(self._engines.items()):
            try:
                with engine.client("cannot list containers") as client:
                    listed = client.containers(all=True, filters={"label": SELECTOR})
            except RuntimeUnavailableError as error:
                away.append(str(error))
                continue
            asked.append(name)
            containers += [each for item in listed if (each := read_container(name, item)) is not None]
        return Survey(containers, asked, "; ".join(away))

    def changes(self) -> dict[str, ContainerEvents]:
        """The workloads whose containers change, of each engine, by its name; whoever takes the streams closes them.

        An engine that is not there yet is waited for.
        """
        return {
            name: ContainerEvents(Engine(name, environ=self._environ), [SELECTOR], changed_workload)
            for name in _ENGINES
        }

    def stop(self, container: Container, grace: float) -> None:
        """End a container that lives; one that is gone has ended.

        Args:
            container: The container.
            grace: Seconds that it gets to end by itself.

        Raises:
            WorkloadFailedError: The engine cannot end it.
            RuntimeUnavailableError: The engine does not answer.
        """
        if container.state not in _LIVING:
            return
        with self._client(container, "cannot stop its container") as client, _at_best():
            if container.state == "paused":
                client.unpause(container.id)
            client.stop(container.id, timeout=math.ceil(max(grace, 0.0)))

    def remove(self, container: Container) -> None:
        """Remove a container, whatever it does; one that is gone is fine.

        Args:
            container: The container.

        Raises:
            WorkloadFailedError: The engine cannot remove it.
            RuntimeUnavailableError: The engine does not answer.
        """
        from workloads.runtimes.container.leftovers import remove_container

        remove_container(self._engines[container.engine], container.workload, container.id)

    def remove_networks(self, container: Container) -> None:
        """Remove the network that a removed container had alone, and the common one when nobody is left to use it.

        Args:
            container: The container that was removed.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        names = [container.internal_network] if container.isolated else []
        with self._client(container, "cannot remove its network") as client:
            if not client.containers(all=True, filters={"label": SELECTOR}):
                names.append(EXTERNAL_NETWORK)
            for name in names:
                # Names are matched by what they contain, so the right one is looked for among those found.
                for network in client.networks(names=[name], filters={"label": SELECTOR}):
                    if network["Name"] == name:
                        with _at_best():
                            client.remove_network(network["Id"])

    def lines(self, container: Container, *, follow: bool, lines: int | None) -> ContainerLines:
        """What a container wrote; the stream is closed by whoever takes it.

        Args:
            container: The container.
            follow: Whether to wait for more until it ends.
            lines: How many lines that are there already; None is all.

        Raises:
            WorkloadFailedError: The engine refuses.
            RuntimeUnavailableError: The engine does not answer.
        """
        from workloads.managers.toolhive.logs import ContainerLines

        return ContainerLines(self._engines[container.engine], container, follow=follow, lines=lines)

    def stats(self, container: Container) -> list[ReplicaStats]:
        """What a container uses; nothing is told of one that does not live.

        Args:
            container: The container.

        Raises:
            WorkloadFailedError: The engine cannot tell.
            RuntimeUnavailableError: The engine does not answer.
        """
        from workloads.runtimes.container.stats import measured

        living = {0: container.id} if container.state in _LIVING else {}
        return measured(self._engines[container.engine], container.workload, living)

    def close(self) -> None:
        """Free the connections. It can be used again. Idempotent."""
        for engine in self._engines.values():
            engine.close()

    def _client(self, container: Container, doing: str) -> AbstractContextManager[APIClient]:
        return self._engines[container.engine].client(doing, name=container.workload)

    def _find(self) -> list[str]:
        """Look for the engines that are not known yet; tells of those that are there and cannot be used."""
        if len(self._engines) == len(_ENGINES):
            return []
        away: list[str] = []
        engines = Engines()
        environ = os.environ if self._environ is None else self._environ
        for name, usability in ((DOCKER, engines.docker(environ)), (PODMAN, engines.podman(environ))):
            if name in self._engines:
                continue
            if usability.usable:
                self._engines[name] = Engine(name, usability.endpoint)
            elif usability.reason != ABSENT:
                away.append(f"{name} cannot be asked: {usability.reason}")
        if not self._engines and not away:
            away.append("no container engine is there; start the one that it was run with")
        return away


@contextlib.contextmanager
def _at_best() -> Generator[None]:
    """Leave alone what is gone, or what somebody uses again."""
    from docker.errors import APIError, NotFound

    try:
        yield
    except NotFound:
        return
    except APIError as error:
        if error.status_code not in _IN_USE:
            raise
