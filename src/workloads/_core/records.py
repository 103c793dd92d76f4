"""Folders of JSON documents, one file for each name."""

from __future__ import annotations

import functools
import math
import os
from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads._core.files import (
    as_state_error,
    check_entry,
    check_folder,
    create_exclusive,
    entry,
    open_folder,
    read_bytes,
    read_file,
    remove,
    rename,
    secure_folder,
    write_atomic,
)
from workloads._core.locks import FileLock
from workloads.errors import CorruptStateError, InvalidNameError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping
    from json import JSONDecoder
    from pathlib import Path

__all__ = ("SUFFIX", "RecordFolder", "Stamp", "dump_object", "load_object", "parse_object")

SUFFIX = ".json"
"""The end of the name of every file that holds a record."""

_SPACE = " \t\r\n"

Stamp = tuple[int, int, int]
"""When a file was written, its number and its size: what changes when the file does."""


@attrs.frozen
class RecordFolder:
    """A folder with one file for each name, ``<name>.json``. Reads never write; a missing folder is an empty one.

    Every operation raises ``InvalidNameError`` for a name that ``check`` refuses, ``InsecureStateError`` when others
    could have changed what is in the folder, and ``StateError`` when the system refuses the operation.

    Attributes:
        folder: The folder.
        root: The topmost folder of the application; it and what is below it must be safe.
        check: Raises ``InvalidNameError`` for what cannot be a name.
        kind: What the names are names of, for errors.
    """

    folder: Path
    root: Path
    check: Callable[[str], object]
    kind: str = "workload"

    def path(self, name: str, suffix: str = SUFFIX) -> Path:
        """The file of a name, which need not exist.

        Args:
            name: The name.
            suffix: The end of the file name.
        """
        self.check(name)
        return entry(self.folder, name + suffix, kind=self.kind)

    def names(self) -> list[str]:
        """The names that have a file, sorted. Other files are passed over."""
        with open_folder(self.folder, root=self.root) as fd:
            return sorted(self._listed(fd, ()))

    def look(self, known: Mapping[str, Stamp]) -> list[tuple[str, Stamp | None, bytes | StateError | None]]:
        """Every record of the folder, in no order; only those that are not known as they are now are read.

        The folder is checked once, and files are opened through its descriptor: whatever happens to the path
        meanwhile, they are those of the folder that was checked.

        Args:
            known: The stamps that files had before, by name.

        Returns:
            Names, each with its stamp and the content of its file: None when the stamp is the known one. Of a file
            that cannot be read there is no stamp, and the reason in the place of its content.
        """
        found: list[tuple[str, Stamp | None, bytes | StateError | None]] = []
        with open_folder(self.folder, root=self.root) as fd:
            for name in self._listed(fd, known):
                file_name, stamp = name + SUFFIX, known.get(name)
                try:
                    if stamp is not None and _stamp(os.stat(file_name, dir_fd=fd, follow_symlinks=False)) == stamp:
                        found.append((name, stamp, None))
                    else:
                        data, status = read_file(file_name, fd)
                        found.append((name, _stamp(status), data))
                except FileNotFoundError:  # removed meanwhile
                    continue
                except OSError as error:
                    found.append((name, None, as_state_error(self.path(name), error)))
        return found

    def _listed(self, fd: int | None, known: Container[str]) -> Generator[str]:
        """The names that have a file in an open folder, in no order."""
        if fd is None:
            return
        try:
            files = os.listdir(fd)  # noqa: PTH208  # a path takes no descriptor
        except OSError as error:
            raise StateError(self.folder, f"cannot be listed: {error.strerror}") from error
        for file_name in files:
            name = file_name.removesuffix(SUFFIX)
            if name != file_name and (name in known or _is_name(self.check, name)):
                yield name

    def exists(self, name: str, suffix: str = SUFFIX) -> bool:
        """Whether a name has a file, damaged or not."""
        path = self.path(name, suffix)
        return check_folder(self.folder, root=self.root) and os.path.lexists(path)

    def read(self, name: str, suffix: str = SUFFIX) -> bytes | None:
        """The content of the file of a name; None when there is none."""
        path = self.path(name, suffix)
        return read_bytes(path) if check_folder(self.folder, root=self.root) else None

    def write(self, name: str, data: bytes, suffix: str = SUFFIX) -> None:
        """Write the file of a name, whole and lasting, whether there is one or not."""
        path = self.path(name, suffix)
        self.secure()
        write_atomic(path, data)

    def create(self, name: str, data: bytes) -> bool:
        """Write the file of a name unless there is one; returns whether it was written."""
        path = self.path(name)
        self.secure()
        return create_exclusive(path, data)

    def rename(self, name: str, suffix: str) -> None:
        """Put the file of a name that has this suffix in the place of its record, in one lasting step."""
        rename(self.path(name, suffix), self.path(name))

    def remove(self, name: str, suffix: str = SUFFIX) -> bool:
        """Remove the file of a name; returns whether there was one."""
        path = self.path(name, suffix)
        return check_folder(self.folder, root=self.root) and remove(path)

    def set_aside(self, name: str) -> Path:
        """Rename the file of a name to ``<name>.json.corrupted``, in the place of an earlier one; returns that path."""
        kept = self.path(name, f"{SUFFIX}.corrupted")
        try:
            return self.path(name).rename(kept)
        except OSError as error:
            raise StateError(kept, f"cannot be written: {error.strerror}") from error

    def secure(self) -> None:
        """Create the folder when it is missing."""
        secure_folder(self.folder, root=self.root)

    def lock(self, name: str, suffix: str = ".lock") -> FileLock:
        """The lock of a name, not yet taken. Creates the folder when it is missing.

        Args:
            name: The name.
            suffix: The end of the name of the locked file.
        """
        path = self.path(name, suffix)
        self.secure()
        return FileLock(path)


# Remembered, for a list of workloads meets every name in three folders.
@functools.lru_cache(maxsize=10_000)
def _is_name(check: Callable[[str], object], name: str) -> bool:
    try:
        check(name)
        check_entry(name + SUFFIX)
    except InvalidNameError:
        return False
    return True


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ino, status.st_size


def parse_object(path: Path, data: bytes) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: The file, for the error.
        data: Its content.

    Raises:
        CorruptStateError: It holds no JSON object.
    """
    try:
        return load_object(data)
    except ValueError as error:
        raise CorruptStateError(path, f"{error}; repair or remove it") from error


def load_object(data: bytes) -> dict[str, Any]:
    """A JSON object.

    Args:
        data: Its text.

    Raises:
        ValueError: It is none; the message begins with a verb.
    """
    try:
        text = data.decode().strip(_SPACE)
        document, end = _decoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from error
    if end != len(text):
        raise ValueError("is not JSON (something follows it)")
    if not isinstance(document, dict):
        raise ValueError("does not hold a JSON object")  # noqa: TRY004  # a damaged file
    return cast("dict[str, Any]", document)


def dump_object(document: Mapping[str, Any]) -> bytes:
    """A JSON object as it is written to a file.

    Args:
        document: The object.
    """
    import json

    return json.dumps(dict(document), indent=2, allow_nan=False).encode() + b"\n"


@functools.cache
def _decoder() -> JSONDecoder:
    import json

    return json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise ValueError(f"{literal} is too large a number")
    return value
