"""Which runtime, processes and port belong to a workload: what ToolHive's files have no place for."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads._core.cache import RecordCache
from workloads._core.collections import EMPTY_DICT, read_only
from workloads._core.fields import others, text, whole_number
from workloads._core.process import ProcessIdentity, current
from workloads._core.records import SUFFIX, RecordFolder, dump_object, load_object
from workloads._core.version import VERSION
from workloads.config.names import check_workload_name
from workloads.errors import CorruptStateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workloads._core.locks import FileLock
    from workloads._core.paths import Paths

__all__ = ("RuntimeRecord", "RuntimeRecordStore")

_END = f"+end{SUFFIX}"  # no name holds a '+', so it is never taken for another workload's
_KEYS = frozenset({
    "name", "runtime", "library_version", "host", "port", "proxy_url", "launcher", "launch_id", "runner", "replicas",
    "ready_replicas", "containers",
})  # fmt: skip


def _all(identities: Iterable[ProcessIdentity]) -> tuple[ProcessIdentity, ...]:
    return tuple(identities)


def _all_ids(containers: Iterable[str]) -> tuple[str, ...]:
    return tuple(containers)


# Without slots one is made faster, and a list of workloads makes many.
@attrs.frozen(kw_only=True, slots=False)
class RuntimeRecord:
    """How a workload runs, as its owner last wrote it.

    Attributes:
        name: The workload.
        runtime: What executes it: ``process``, ``docker``, ``podman``.
        library_version: The version of this library that wrote the record.
        host: The address its proxy listens on; empty while it does not.
        port: The port of its proxy; 0 while it has none.
        proxy_url: What a client connects to; empty when that follows from host and port.
        launcher: The process that is starting it; None when none is.
        launch_id: Tells this start from every other one; empty when nobody is starting it.
        runner: Its proxy runner, which owns it; None when there is none.
        replicas: The leaders of the process groups of its servers.
        ready_replicas: How many of its servers answer.
        containers: The ids of the containers of its servers, which may be there when they do not run, too.
        extra: Keys of the file that are none of these.
    """

    name: str
    runtime: str
    library_version: str = ""
    host: str = ""
    port: int = 0
    proxy_url: str = ""
    launcher: ProcessIdentity | None = None
    launch_id: str = ""
    runner: ProcessIdentity | None = None
    replicas: tuple[ProcessIdentity, ...] = attrs.field(default=(), converter=_all)
    ready_replicas: int = 0
    containers: tuple[str, ...] = attrs.field(default=(), converter=_all_ids)
    extra: Mapping[str, Any] = attrs.field(default=EMPTY_DICT, converter=read_only, hash=False)

    def released(self) -> RuntimeRecord:
        """The record of the workload when nothing of it runs and nobody starts it; its port and its containers stay."""
        return attrs.evolve(self, launcher=None, launch_id="", runner=None, replicas=(), ready_replicas=0)

    def to_dict(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            **self.extra,
            "name": self.name,
            "runtime": self.runtime,
            "library_version": self.library_version,
            "host": self.host,
            "port": self.port,
            "proxy_url": self.proxy_url,
            "launcher": None if self.launcher is None else self.launcher.to_dict(),
            "launch_id": self.launch_id,
            "runner": None if self.runner is None else self.runner.to_dict(),
            "replicas": [replica.to_dict() for replica in self.replicas],
            "ready_replicas": self.ready_replicas,
            **({"containers": list(self.containers)} if self.containers else {}),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> RuntimeRecord:
        """The record in a JSON object.

        Args:
            document: The object.

        Raises:
            ValueError: ``name`` or ``runtime`` is missing, or a value cannot be right.
        """
        return cls(
            name=text(document, "name"),
            runtime=text(document, "runtime"),
            library_version=text(document, "library_version", ""),
            host=text(document, "host", ""),
            port=whole_number(document, "port", 0),
            proxy_url=text(document, "proxy_url", ""),
            launcher=_identity(document.get("launcher"), "launcher"),
            launch_id=text(document, "launch_id", ""),
            runner=_identity(document.get("runner"), "runner"),
            replicas=_identities(document.get("replicas")),
            ready_replicas=whole_number(document, "ready_replicas", 0),
            containers=_container_ids(document.get("containers")),
            extra=others(document, _KEYS),
        )


class RuntimeRecordStore:
    """One file for each workload, ``<workload>.json``, and the locks beside it. Reads never write.

    Every operation raises ``InvalidNameError`` for what cannot be a name, ``InsecureStateError`` when others could
    have changed the folder, and ``StateError`` when the system refuses it.
    """

    def __init__(self, paths: Paths) -> None:
        """Use the runtime records of an application directory; nothing is read or created yet."""
        self._records = RecordFolder(paths.runtimes, paths.state, check_workload_name)

    def read(self, name: str) -> RuntimeRecord | None:
        """The runtime record of a workload; None when there is none.

        Args:
            name: The workload.

        Raises:
            CorruptStateError: The file is damaged, or that of another workload. It is left as it is.
        """
        data = self._records.read(name)
        return None if data is None else self._parse(name, data)

    def cache(self) -> RecordCache[RuntimeRecord]:
        """All of them in memory, for who wants to see them again and again."""
        return RecordCache(self._records, self._parse)

    def _parse(self, name: str, data: bytes) -> RuntimeRecord:
        try:
            record = RuntimeRecord.from_dict(load_object(data))
        except ValueError as error:
            path = self._records.path(name)
            raise CorruptStateError(path, f"is not a runtime record: {error}; repair or remove it") from error
        if record.name != name:
            # Its processes are not those of this workload, and must not be ended with it.
            raise CorruptStateError(self._records.path(name), f"is the runtime record of {record.name!r}; remove it")
        return record

    def write(self, record: RuntimeRecord) -> None:
        """Write the runtime record of a workload. Only who holds one of its locks does.

        Args:
            record: The record.
        """
        self._records.write(record.name, dump_object(record.to_dict()))

    def launch(self, name: str, runtime: str) -> RuntimeRecord:
        """Write down that this process is starting a workload of which nothing runs.

        Args:
            name: The workload.
            runtime: What shall execute it.

        Returns:
            What was written: the record that was there, with the processes of old gone.

        Raises:
            CorruptStateError: The record that was there is damaged.
        """
        previous = self.read(name) or RuntimeRecord(name=name, runtime=runtime)
        record = attrs.evolve(
            previous.released(),
            runtime=runtime,
            library_version=VERSION,
            launcher=current(),
            launch_id=os.urandom(8).hex(),
        )
        self.write(record)
        return record

    def delete(self, name: str) -> bool:
        """Remove the runtime record of a workload; its locks stay.

        Args:
            name: The workload.

        Returns:
            Whether there was one.
        """
        self._records.remove(name, _END)
        return self._records.remove(name)

    def ask_to_end(self, name: str, runner: ProcessIdentity, grace: float) -> None:
        """Write down for a proxy runner, before it is signalled, how long its server may take to end.

        Args:
            name: The workload.
            runner: Whom it is for.
            grace: Seconds.
        """
        self._records.write(name, dump_object({"runner": runner.to_dict(), "grace": grace}), _END)

    def asked_to_end(self, name: str, runner: ProcessIdentity) -> float | None:
        """What :meth:`ask_to_end` wrote for this proxy runner; None when it wrote nothing.

        Args:
            name: The workload.
            runner: Who asks.
        """
        data = self._records.read(name, _END)
        if data is None:
            return None
        try:
            document = load_object(data)
            meant = _identity(document.get("runner"), "runner") == runner
            grace = document.get("grace")
        except ValueError:
            return None
        return float(grace) if meant and isinstance(grace, (int, float)) else None

    def names(self) -> list[str]:
        """The workloads that have a runtime record, damaged or not, sorted."""
        return self._records.names()

    def owner_lock(self, name: str) -> FileLock:
        """The lock that a workload's proxy runner holds for its life, so that there is only one.

        Args:
            name: The workload.
        """
        return self._records.lock(name)

    def operation_lock(self, name: str) -> FileLock:
        """The lock that whoever starts, stops or changes a workload holds meanwhile.

        Args:
            name: The workload.
        """
        # No name holds a '+', so this is not the owner lock of a workload called "<name>.op" or the like.
        return self._records.lock(name, "+op.lock")


def _identities(documents: object) -> list[ProcessIdentity]:
    if documents is None:
        return []
    if not isinstance(documents, list):
        raise ValueError(f"replicas: expected a list, got a {type(documents).__name__}")  # noqa: TRY004  # see text()
    found = [_identity(each, "replicas", index) for index, each in enumerate(cast("list[object]", documents))]
    return [identity for identity in found if identity is not None]


def _container_ids(ids: object) -> list[str]:
    if ids is None:
        return []
    found = cast("list[object]", ids) if isinstance(ids, list) else [None]
    if not all(isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each) for each in found):
        raise ValueError("containers: expected a list of ids, of 64 hexadecimal digits each")
    return cast("list[str]", found)


def _identity(document: object, key: str, index: int | None = None) -> ProcessIdentity | None:
    if document is None:
        return None
    try:
        if isinstance(document, dict):
            return ProcessIdentity.from_dict(cast("dict[str, object]", document))
        problem = f": expected an object, got a {type(document).__name__}"
    except ValueError as error:
        problem = f".{error}"
    raise ValueError(f"{key}{'' if index is None else f'[{index}]'}{problem}")
