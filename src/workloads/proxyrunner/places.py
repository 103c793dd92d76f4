"""Where the log and the working folder of each replica are."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workloads.errors import WorkloadsError
from workloads.proxyrunner.threads import in_thread, taken_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.runtimes.protocol import Replica

__all__ = ("Places",)

_log = logging.getLogger(__name__)

_WAIT = 10.0


class Places:
    """The places that somebody names, or those in a temporary folder, which goes with this.

    Args:
        log: Where the log of each replica goes, by its index; None for a temporary one.
        folder: The working folder of each; None for a temporary one.
    """

    def __init__(self, log: Callable[[int], Path] | None, folder: Callable[[int], Path] | None) -> None:
        """Prepare; nothing is made yet."""
        self._log = log
        self._folder = folder
        self._scratch: Path | None = None
        self._closed = False

    async def open(self) -> None:
        """Make the temporary folder, if one is needed."""
        if self._log is None or self._folder is None:
            self._scratch = Path(await taken_in_thread(partial(tempfile.mkdtemp, prefix="workloads-"), os.rmdir))

    def log(self, index: int) -> Path:
        """Where the log of a replica goes."""
        return self._log(index) if self._log is not None else self._temporary("log", f"{index}.log")

    def folder(self, index: int) -> Path:
        """The working folder of a replica."""
        return self._folder(index) if self._folder is not None else self._temporary(str(index))

    def started(self, replica: Replica) -> None:
        """A replica has been started there. When it was given up meanwhile, end it and remove what it uses; blocks."""
        if self._closed and self._scratch is not None:
            try:
                replica.kill()
                replica.wait(_WAIT)
            except WorkloadsError as error:  # whoever started it ends it, too
                _log.warning("server not ended", extra={"reason": str(error)})
            finally:
                self._remove()

    async def close(self) -> None:
        """Remove the temporary folder, if there is one. Idempotent."""
        self._closed = True
        if self._scratch is not None:
            await in_thread(self._remove)

    def _remove(self) -> None:
        assert self._scratch is not None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _temporary(self, *parts: str) -> Path:
        assert self._scratch is not None
        return self._scratch.joinpath(*parts)
