"""What happens to the containers of an owner, as the engine tells it."""

from __future__ import annotations

import contextlib
import json
import socket
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workloads._core.streams import ClosingStream
from workloads.errors import WorkloadsError
from workloads.runtimes.container.labels import Keys
from workloads.runtimes.ping import UnsupportedAddressError, connect
from workloads.runtimes.protocol import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workloads.runtimes.container.engine import Engine

__all__ = ("ContainerEvents", "changed_container", "changed_workload")

_TIMEOUT = 10.0
_RETRY = 0.2
_LONGEST_RETRY = 5.0
_TELLING = ("create", "start", "die", "oom", "pause", "unpause", "destroy", "rename")
"""What changes the state of a container; what is told of health checks and commands does not."""


def changed_container(event: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels, the ``name`` and more of a container that an event says has changed; nothing of other events. Pure.

    Args:
        event: The event, as the engine tells it.
    """
    actor: Mapping[str, Any] = event.get("Actor") or {}
    attributes: Mapping[str, str] = actor.get("Attributes") or {}
    # Podman tells a start as "start" and a removal as "remove".
    action = str(event.get("Action") or event.get("status") or "")
    return attributes if action in (*_TELLING, "remove", "died") else {}


def changed_workload(event: Mapping[str, Any], app: str) -> str:
    """The workload that an event of the engine is about; empty when it tells nothing new of one. Pure.

    Args:
        event: The event.
        app: The application whose labels count.
    """
    return changed_container(event).get(Keys(app).base_name, "")


class ContainerEvents(ClosingStream[str]):
    """The names of workloads whose containers have changed, each as often as they do.

    An empty name says that any of them may have: the engine has just been connected to, or is not there. It is waited
    for then, and connected to again, which is told as :data:`~workloads.runtimes.protocol.AGAIN`.
    """

    def __init__(self, engine: Engine, labels: Sequence[str], workload_of: Callable[[Mapping[str, Any]], str]) -> None:
        """Prepare; the engine is connected to by the first ``next``.

        Args:
            engine: Who tells.
            labels: The labels that containers must have to matter, as filters.
            workload_of: The workload that an event is about; empty when it tells nothing new of one.
        """
        super().__init__()
        self._engine = engine
        self._labels = list(labels)
        self._workload_of = workload_of
        self._connection: socket.socket | None = None
        self._answer: HTTPResponse | None = None
        self._delay = 0.0
        self._missed = False

    def _next(self) -> str | None:
        while not self._closed.is_set():
            if self._answer is None:
                if self._closed.wait(self._delay):
                    return None
                self._delay = min(max(self._delay * 2, _RETRY), _LONGEST_RETRY)
                if self._open():
                    self._delay = 0.0
                    return AGAIN if self._missed else ""
                if not self._missed:
                    self._missed = True
                    return ""
                continue
            event = self._read(self._answer)
            if event is None:
                self._free()
                self._missed = True
                return None if self._closed.is_set() else ""
            if name := self._workload_of(event):
                return name
        return None

    def _interrupt(self) -> None:
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)

    def _free(self) -> None:
        answer, self._answer = self._answer, None
        connection, self._connection = self._connection, None
        if answer is not None:
            answer.close()
        if connection is not None:
            connection.close()

    def _open(self) -> bool:
        """Connect; returns whether the engine tells from now on."""
        filters = json.dumps({"type": ["container"], "label": self._labels})
        request = f"GET /events?filters={quote(filters)} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        try:
            connection = self._connection = connect(self._engine.url, _TIMEOUT)
            connection.sendall(request.encode())
            answer = self._answer = HTTPResponse(connection, method="GET")
            answer.begin()
            if answer.status == 200:  # OK
                connection.settimeout(None)
                if not self._closed.is_set():
                    return True
        except (OSError, HTTPException, UnsupportedAddressError, WorkloadsError):
            pass
        self._free()
        return False

    def _read(self, answer: HTTPResponse) -> dict[str, Any] | None:
        """The next event; None when the connection is lost."""
        try:
            line = answer.readline()
            return json.loads(line) if line.strip() else None
        except (OSError, HTTPException, ValueError):
            return None
