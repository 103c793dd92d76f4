"""One writer at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from workloads._core.locks import FileLock
from workloads._core.temporary import sweep
from workloads.errors import SecretStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ("only_writer",)

_TIMEOUT = 5.0


@contextmanager
def only_writer(path: Path, provider: str) -> Generator[None]:
    """Be the only one who changes a file, for the length of a ``with`` block.

    What killed writers have left beside it is removed first.

    Args:
        path: The file, in a folder that exists. Its lock is beside it, and stays.
        provider: Who changes it, for the error.

    Raises:
        SecretStoreUnavailableError: Another has not let go within 5 seconds.
    """
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    if not lock.acquire(_TIMEOUT):
        raise SecretStoreUnavailableError(provider, f"another has held {lock.path} for {_TIMEOUT:g} s; try again")
    try:
        sweep(path.parent)
        yield
    finally:
        lock.release()
