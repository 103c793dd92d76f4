"""Folders of JSON documents, one file for each name."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import stat
from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads._core.files import (
    check_entry,
    check_folder,
    create_exclusive,
    entry,
    is_temporary,
    read_bytes,
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

__all__ = ("SUFFIX", "RecordFolder", "dump_object", "load_object", "parse_object")

SUFFIX = ".json"
"""The end of the name of every file that holds a record."""


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
        return sorted(name for name, _ in self.scan())

    def scan(self, known: Container[str] = ()) -> Generator[tuple[str, os.stat_result], None, None]:
        """The names that have a file, in no order, with the status of the file. Other files are passed over.

        Args:
            known: Names that were checked before.
        """
        if not check_folder(self.folder, root=self.root):
            return
        try:
            with os.scandir(self.folder) as files:
                for file in files:
                    name = file.name.removesuffix(SUFFIX)
                    if name == file.name or not (name in known or self._is_record(file.name)):
                        continue
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        yield name, file.stat(follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(self.folder, f"cannot be listed: {error.strerror}") from error

    def read_quickly(self, name: str, status: os.stat_result) -> bytes | None:
        """The content of a file that :meth:`scan` told of, without checking the folder again; None when it is gone."""
        if stat.S_ISREG(status.st_mode):
            try:
                fd = os.open(f"{self.folder}/{name}{SUFFIX}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StateError(self.path(name), f"cannot be read: {error.strerror}") from error
            try:
                data = os.read(fd, status.st_size + 1)
            finally:
                os.close(fd)
            if len(data) == status.st_size:
                return data
        return self.read(name)  # not a file, or another one by now

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

    def _is_record(self, file_name: str) -> bool:
        return not is_temporary(file_name) and self._is_name(file_name.removesuffix(SUFFIX))

    def _is_name(self, name: str) -> bool:
        try:
            self.check(name)
            check_entry(name + SUFFIX)
        except InvalidNameError:
            return False
        return True


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
        document = _decoder().decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from error
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
