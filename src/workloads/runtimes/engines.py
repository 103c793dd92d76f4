"""Finding the Docker and Podman engines of this machine: where their sockets may be, and which of them live."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from workloads._core import variables
from workloads.runtimes.contexts import context_host, context_name
from workloads.runtimes.ping import Pong, ping
from workloads.runtimes.registry import Usability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ("ABSENT", "DOCKER", "PODMAN", "Endpoint", "Engines", "endpoints", "prefers_podman")

DOCKER = "docker"
PODMAN = "podman"
ABSENT = "no socket of it was found"
"""Why an engine cannot be used that is not there at all."""

_NO_CONTEXT = Pong("", "there is no such context, or it has no address; see docker context ls")
_SOCKETS = ((PODMAN, variables.PODMAN_SOCKET), (DOCKER, variables.DOCKER_SOCKET), (DOCKER, variables.COLIMA_SOCKET))
_HOSTS = ((DOCKER, variables.DOCKER_HOST), (PODMAN, variables.CONTAINER_HOST))


@attrs.frozen
class Endpoint:
    """A place where an engine may answer.

    Attributes:
        url: Such as ``unix:///var/run/docker.sock`` or ``tcp://127.0.0.1:2375``; empty for a context that has none.
        engine: The engine expected there; another one may answer.
        source: The variable, or Docker context, that names it; empty for a well-known place.
    """

    url: str
    engine: str
    source: str = ""


def prefers_podman(environ: Mapping[str, str]) -> bool:
    """Whether the environment puts Podman before Docker.

    Args:
        environ: The environment.
    """
    return bool(variables.CONTAINER_HOST.value(environ) or variables.PODMAN_SOCKET.value(environ))


def endpoints(environ: Mapping[str, str], *, root: Path = Path("/")) -> list[Endpoint]:
    """Every place to look for an engine.

    When one of the ``*_SOCKET`` variables is set, only what they name. Else the Docker context in use, ``DOCKER_HOST``
    and ``CONTAINER_HOST``, each instead of the well-known places of its engine.

    Args:
        environ: The environment.
        root: The root of the file system, to look below another one.
    """
    found: list[Endpoint] = []
    for engine, variable in _SOCKETS:
        if source := variable.source(environ):
            found.append(Endpoint(_url(environ[source]), engine, source))
    if found:
        return found
    context = context_name(environ)
    for engine, variable in _HOSTS:
        if engine == DOCKER and context:
            host = context_host(environ, context)
            found.append(Endpoint(host, engine, f"the Docker context {context!r}"))
        elif source := variable.source(environ):
            found.append(Endpoint(_url(environ[source]), engine, source))
        else:
            places = _docker_sockets if engine == DOCKER else _podman_sockets
            found += [Endpoint(f"unix://{path}", engine) for path in places(environ, root)]
    return found


class Engines:
    """The engines of this machine, asked once: for one detection."""

    def __init__(self, *, root: Path = Path("/")) -> None:
        """Nothing is asked yet.

        Args:
            root: The root of the file system, to look below another one.
        """
        self._root = root
        self._answers: dict[Endpoint, Pong] | None = None

    def docker(self, environ: Mapping[str, str]) -> Usability:
        """Whether a Docker engine answers, and where.

        Args:
            environ: The environment.
        """
        return self._usability(DOCKER, environ)

    def podman(self, environ: Mapping[str, str]) -> Usability:
        """Whether a Podman engine answers, and where.

        Args:
            environ: The environment.
        """
        return self._usability(PODMAN, environ)

    def _usability(self, engine: str, environ: Mapping[str, str]) -> Usability:
        answers = self._survey(environ)
        for endpoint, pong in answers.items():
            if pong.engine == engine:
                return Usability(usable=True, reason=f"answers at {endpoint.url}", endpoint=endpoint.url)
        return Usability(usable=False, reason=_absence(engine, answers))

    def _survey(self, environ: Mapping[str, str]) -> dict[Endpoint, Pong]:
        if self._answers is None:
            self._answers = {}
            asked: set[str] = set()
            for endpoint in endpoints(environ, root=self._root):
                place = os.path.realpath(endpoint.url.removeprefix("unix://"))
                if place not in asked:  # /var/run is often another name of /run
                    asked.add(place)
                    self._answers[endpoint] = ping(endpoint.url) if endpoint.url else _NO_CONTEXT
        return self._answers


def _absence(engine: str, answers: Mapping[Endpoint, Pong]) -> str:
    """Why there is no such engine, for people: what is there but does not answer, or what a variable names."""
    telling = [
        f"{_place(endpoint)}: {pong.reason}"
        for endpoint, pong in answers.items()
        if endpoint.engine == engine and not pong.engine and (endpoint.source or not pong.absent)
    ]
    return "; ".join(telling) or ABSENT


def _place(endpoint: Endpoint) -> str:
    return (
        f"{endpoint.url} ({endpoint.source})" if endpoint.url and endpoint.source else endpoint.url or endpoint.source
    )


def _url(value: str) -> str:
    return value if "://" in value else f"unix://{value}"


def _docker_sockets(environ: Mapping[str, str], root: Path) -> Iterator[Path]:
    yield root / "var/run/docker.sock"
    yield _runtime_folder(environ, root) / "docker.sock"
    home = variables.HOME.value(environ)
    if home.startswith("/"):
        for below in (
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".rd/docker.sock",
            ".orbstack/run/docker.sock",
            ".colima/default/docker.sock",
        ):
            yield Path(home, below)


def _podman_sockets(environ: Mapping[str, str], root: Path) -> Iterator[Path]:
    yield root / "var/run/podman/podman.sock"
    yield _runtime_folder(environ, root) / "podman/podman.sock"
    home = variables.HOME.value(environ)
    if home.startswith("/"):
        yield Path(home, ".local/share/containers/podman/machine/podman.sock")
    temporary = variables.TMPDIR.value(environ)
    if temporary.startswith("/"):
        for path in sorted(Path(temporary, "podman").glob("*-api.sock")):
            # Where everybody may write, anybody could pose as an engine.
            if path.lstat().st_uid in (0, os.geteuid()):
                yield path


def _runtime_folder(environ: Mapping[str, str], root: Path) -> Path:
    folder = variables.XDG_RUNTIME_DIR.value(environ)
    return Path(folder) if folder.startswith("/") else root / f"run/user/{os.geteuid()}"
