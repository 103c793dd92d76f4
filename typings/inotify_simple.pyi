# What this package uses of inotify_simple, which has no types of its own.

from enum import IntEnum
from os import PathLike
from typing import NamedTuple

class Event(NamedTuple):
    wd: int
    mask: int
    cookie: int
    name: str

class INotify:
    def __init__(self, inheritable: bool = ..., nonblocking: bool = ..., closefd: bool = ...) -> None: ...
    def add_watch(self, path: str | PathLike[str], mask: int) -> int: ...
    def rm_watch(self, wd: int) -> None: ...
    def read(self, timeout: int | None = ..., read_delay: int | None = ...) -> list[Event]: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

class flags(IntEnum):  # noqa: N801  # its name there
    CREATE = 0x100
    CLOSE_WRITE = 0x8
    MOVED_TO = 0x80
    MOVED_FROM = 0x40
    DELETE = 0x200
    MOVE_SELF = 0x800
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    Q_OVERFLOW = 0x4000
