"""A container engine: where it is, and connections to it."""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

from workloads.errors import MissingDependencyError, RuntimeUnavailableError
from workloads.runtimes.container.faults import faults
from workloads.runtimes.engines import DOCKER, Engines
from workloads.runtimes.ping import connect, ping, version_numbers

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from docker import APIClient

# Whoever loads this is about to use the SDK. So a proxy runner has it before it starts its server, which takes longest,
# and not beside what it loads meanwhile. That it is missing is told when it is used.
with contextlib.suppress(ImportError):
    import_module("docker")

__all__ = ("Engine", "agreed_version", "keeps_limits")

_NEWEST_API = "1.44"
"""The newest API that every release of the SDK knows which this library can be installed with."""
_TIMEOUT = 60.0
_NO_INIT = "N/A"
_KEPT_IDLE = 8


class Engine:
    """A Docker or Podman engine of this machine. Safe to use from several threads; each call has a connection alone.

    Nothing is looked for, or connected to, before it is needed.
    """

    def __init__(self, name: str, url: str = "", *, environ: Mapping[str, str] | None = None) -> None:
        """Prepare.

        Args:
            name: ``docker`` or ``podman``.
            url: Where it is; empty looks for it.
            environ: The environment that says where to look; None is that of this process.
        """
        self.name = name
        self._url = url
        self._environ = environ
        self._version = ""
        self._told: Mapping[str, Any] | None = None
        self._idle: list[APIClient] = []
        self._lock = Lock()
        self._pid = os.getpid()

    @property
    def url(self) -> str:
        """Where it is, such as ``unix:///var/run/docker.sock``.

        Raises:
            RuntimeUnavailableError: It is not found; says where it was looked for and why it is not there.
        """
        if not self._url:
            environ = os.environ if self._environ is None else self._environ
            engines = Engines()
            found = engines.docker(environ) if self.name == DOCKER else engines.podman(environ)
            if not found.usable:
                raise RuntimeUnavailableError(self.name, found.reason)
            if not _is_here(found.endpoint):
                reason = f"{found.endpoint} is another machine, and servers are reached on this one only"
                raise RuntimeUnavailableError(self.name, reason)
            self._url = found.endpoint
        return self._url

    def has_init(self) -> bool:
        """Whether it can put a small init in front of a server. Of Podman that is not known before it fails.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        if self.name != DOCKER:
            return False
        commit: Mapping[str, str] = self._about().get("InitCommit") or {}
        return commit.get("ID", _NO_INIT) != _NO_INIT

    def keeps_limits(self) -> bool:
        """Whether it keeps limits of memory, processors and processes, or only takes them.

        Raises:
            RuntimeUnavailableError: The engine does not answer.
        """
        return keeps_limits(self._about())

    @contextlib.contextmanager
    def client(self, doing: str, *, name: str = "") -> Generator[APIClient]:
        """A connection for calls that end soon; what goes wrong is raised in the words of this library.

        Args:
            doing: What it is for, such as ``cannot start its container``.
            name: The workload that it is for; empty for none.

        Raises:
            WorkloadFailedError: The engine answered that it cannot do what a workload needs.
            RuntimeUnavailableError: The engine does not answer, is too old, or is not found.
            MissingDependencyError: The extra ``docker`` is not installed.
        """
        client = self._borrow(doing)
        try:
            with faults(self.name, self.url, doing, name=name):
                yield client
        except RuntimeUnavailableError:
            client.close()
            self.close()  # the other connections are not likely to be better
            raise
        except BaseException:
            client.close()
            raise
        self._give_back(client)

    def stream(self, doing: str) -> APIClient:
        """A connection of its own, without a time limit, for a call that lasts. Whoever takes it closes it.

        Args:
            doing: What it is for.

        Raises:
            RuntimeUnavailableError: As :meth:`client` does.
            MissingDependencyError: The extra ``docker`` is not installed.
        """
        return self._connect(doing, timeout=None)

    def close(self) -> None:
        """Close what is idle. The engine can be used again. Idempotent."""
        with self._lock:
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def _borrow(self, doing: str) -> APIClient:
        with self._lock:
            if self._pid != os.getpid():  # connections of the process that this is a fork of
                self._idle, self._pid = [], os.getpid()
            client = self._idle.pop() if self._idle else None
        if client is None:
            return self._connect(doing, timeout=_TIMEOUT)
        try:
            self._knock(doing)
        except BaseException:
            client.close()
            raise
        return client

    def _give_back(self, client: APIClient) -> None:
        with self._lock:
            if len(self._idle) < _KEPT_IDLE and self._pid == os.getpid():
                self._idle.append(client)
                return
        client.close()

    def _knock(self, doing: str) -> None:
        """See that somebody listens there: the SDK leaves a socket open each time it connects in vain."""
        url = self.url
        with faults(self.name, url, doing):
            connect(url, _TIMEOUT).close()

    def _connect(self, doing: str, *, timeout: float | None) -> APIClient:
        try:
            from docker import APIClient
        except ImportError as error:
            raise MissingDependencyError("docker", f"runtime {self.name!r}") from error
        self._knock(doing)
        if not self._version:
            self._version = self._agree(doing)
        with faults(self.name, self.url, doing):
            return APIClient(base_url=self.url, version=self._version, timeout=timeout)

    def _agree(self, doing: str) -> str:
        """Find out in which version to ask it. Podman takes more than a second to tell all of its versions."""
        pong = ping(self.url, timeout=_TIMEOUT)
        if not pong.engine:
            raise RuntimeUnavailableError(self.name, f"{doing}: {self.url}: {pong.reason}")
        if pong.api and version_numbers(pong.api) <= version_numbers(_NEWEST_API):
            return pong.api
        from docker import APIClient

        with (
            faults(self.name, self.url, doing),
            contextlib.closing(APIClient(base_url=self.url, version=_NEWEST_API, timeout=_TIMEOUT)) as asking,
        ):
            told = asking.version(api_version=False)
        return agreed_version(str(told["ApiVersion"]), str(told.get("MinAPIVersion") or ""))

    def _about(self) -> Mapping[str, Any]:
        """What it tells of itself, asked once, for Podman takes half a second."""
        if self._told is None:
            with self.client("cannot ask what it has") as client:
                self._told = client.info()
        return self._told


def keeps_limits(told: Mapping[str, Any]) -> bool:
    """Whether an engine keeps limits. Without root, with old cgroups or with none of its own, it only takes them. Pure.

    Args:
        told: What the engine tells of itself.
    """
    rootless = bool(told.get("Rootless")) or "name=rootless" in (told.get("SecurityOptions") or ())
    return not rootless or (told.get("CgroupVersion") == "2" and told.get("CgroupDriver") != "none")


def agreed_version(newest: str, oldest: str) -> str:
    """The version of the API to speak: the newest that both sides know, else the oldest that the engine still does.

    Args:
        newest: The newest that the engine knows.
        oldest: The oldest that it still does; empty when it does not tell.
    """
    return min(newest, max(oldest, _NEWEST_API, key=version_numbers), key=version_numbers)


def _is_here(url: str) -> bool:
    """Whether an engine of this address publishes ports on this machine."""
    from urllib.parse import urlsplit

    if url.startswith("unix://"):
        return True
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")
