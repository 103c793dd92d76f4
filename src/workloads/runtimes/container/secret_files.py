"""Secrets that a server reads from files: in memory on this machine until it starts, then in its container alone.

A secret whose target is an absolute path becomes a file there (``api_key,target=/run/secrets/api_key``). Whoever may
use the engine sees environment variables, and of such a file only where it is mounted.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.config.grammars import parse_secret
from workloads.errors import Problem, StateError, WorkloadFailedError
from workloads.runtimes.container.mounts import KERNEL_FOLDERS, BoundMount

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from workloads._core.locks import FileLock
    from workloads.config import RunConfig
    from workloads.runtimes.protocol import Owner

__all__ = ("delivered", "refusals", "split", "sweep")

_IN_MEMORY = ("tmpfs", "ramfs")
_MOUNTS = Path("/proc/self/mounts")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # only a folder of this user's own in it is used
_LOCK = ".lock"


def refusals(config: RunConfig) -> Iterator[Problem]:
    """The secrets of a run config that cannot be files where they shall be. Pure.

    Args:
        config: What would be run.
    """
    for index, text in enumerate(config.secrets):
        target = parse_secret(text).target
        if target.startswith("/") and (
            posixpath.normpath(target) != target
            or target.startswith("//")
            or target == "/"
            or any(f"{target}/".startswith(f"{folder}/") for folder in KERNEL_FOLDERS)
        ):
            yield Problem(f"secrets[{index}]", f"a file cannot be put there; use /run/secrets/NAME, got {target!r}")


def split(secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tell environment variables from files. Pure.

    Args:
        secrets: Resolved secrets: target and value.

    Returns:
        Name and value of variables, and path and content of files.
    """
    files = {target: value for target, value in secrets.items() if target.startswith("/")}
    return {target: value for target, value in secrets.items() if target not in files}, files


@contextlib.contextmanager
def delivered(files: Mapping[str, str], owner: Owner, *, name: str, container: str) -> Generator[list[BoundMount]]:
    """Have secrets where the engine finds them while a container is started. It keeps what it has mounted.

    Args:
        files: Path in the container and content of each.
        owner: Whose container it is.
        name: The workload.
        container: The container's name.

    Returns:
        The mounts of the container; the same for the same paths.

    Raises:
        WorkloadFailedError: There is no place for them that is only in memory.
        InsecureStateError: That place belongs to or can be written by someone else.
    """
    if not files:
        yield []
        return
    from workloads._core.files import secure_folder

    home = _home()
    if home is None:
        reason = "no folder of this machine is only in memory, so a secret cannot be a file; target a variable instead"
        raise WorkloadFailedError(name, reason)
    secure_folder(home)
    sweep()
    folder = home / f"{owner.scope}.{container}"
    mounts = [
        BoundMount(str(folder / str(index)), target, read_only=True) for index, target in enumerate(sorted(files))
    ]
    lock = _lock(folder)
    with lock.held():
        secure_folder(folder)
        try:
            for mount in mounts:
                with Path(mount.source).open("x", encoding="utf-8") as file:
                    # Whoever the server runs as may read it; nobody else of this machine gets into the folder.
                    os.fchmod(file.fileno(), 0o444)
                    file.write(files[mount.target])
            yield mounts
        finally:
            _remove(folder)
            lock.path.unlink()


def sweep() -> None:
    """Remove the secrets of containers whose start was killed."""
    from workloads._core.files import check_folder

    home = _home()
    try:
        if home is None or not check_folder(home):
            return
    except StateError:
        return  # it is not ours: nothing was delivered there
    for path in home.glob(f"*{_LOCK}"):
        folder = path.with_suffix("")
        lock = _lock(folder)
        if lock.acquire(0):  # nobody is starting it
            try:
                _remove(folder)
                lock.path.unlink()
            finally:
                lock.release()


def _lock(folder: Path) -> FileLock:
    from workloads._core.locks import FileLock

    return FileLock(folder.with_name(folder.name + _LOCK))


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _home() -> Path | None:
    """Where secrets of this user may be: in memory, and never on a disk. None where there is no such place."""
    from workloads._core.variables import XDG_RUNTIME_DIR

    candidates = [folder for folder in (XDG_RUNTIME_DIR.value(os.environ), _SHARED_MEMORY) if folder.startswith("/")]
    if sys.platform == "linux":
        lines = _MOUNTS.read_text(encoding="utf-8").splitlines()
        for folder in candidates:
            if Path(folder).is_dir() and _kind(os.path.realpath(folder), lines) in _IN_MEMORY:
                return Path(folder, f"workloads-{os.geteuid()}")
    return None


def _kind(path: str, mounts: Iterable[str]) -> str:
    """The kind of file system that a path is on."""
    best, kind = "", ""
    for line in mounts:
        _, place, found, *_ = line.split(" ")
        if f"{path}/".startswith(place.rstrip("/") + "/") and len(place) >= len(best):
            best, kind = place, found
    return kind
