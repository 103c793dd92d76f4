"""The control file of a Unikraft guest, a counter of which only our own share is ever added and removed."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workloads.errors import ControlFileError, StateError
from workloads.scaletozero.togglers.control_file import ControlFile
from workloads.scaletozero.togglers.journal import Journal

if TYPE_CHECKING:
    from workloads.scaletozero.protocols import TogglerState
    from workloads.scaletozero.togglers.control_file import Mode
    from workloads.scaletozero.togglers.journal import Entry

__all__ = ("DEFAULT_PATH", "UnikraftToggler")

_LOG = logging.getLogger("workloads.scaletozero")

DEFAULT_PATH = "/uk/libukp/scale_to_zero_disable"
"""Where Unikraft puts the file."""

_STEPS = {"+": 1, "-": -1}


class UnikraftToggler:
    """Forbids sleeping by adding one to the count in the control file, and allows it by removing that one again.

    Where the file is absent nothing sleeps, and nothing is done; it is looked for every time. Since a command that
    failed may have been taken all the same, the count is read before it is repeated. A forked child has a share of its
    own. What a process that was killed has left in the count can be taken back with a journal: making a toggler reads
    it, so make it before you serve anything.

    Args:
        path: The control file; that of Unikraft by default.
        mode: ``truncate`` (the default) writes each command in the place of the content, ``append`` after it and under
            a lock, for a regular file that the guest's init drains.
        journal: A folder, in which each process writes down its share; None (the default) for none.
        sole_owner: Whether nobody else forbids sleeping: the count is set to 0 at the beginning then. False by default.
    """

    drives = False

    def __init__(
        self,
        path: str | os.PathLike[str] = DEFAULT_PATH,
        *,
        mode: Mode = "truncate",
        journal: str | os.PathLike[str] | None = None,
        sole_owner: bool = False,
    ) -> None:
        """A toggler without a share; what ended processes have left is taken back."""
        self._file = ControlFile(Path(path), mode)
        self._journal = None if journal is None else Journal(Path(journal))
        self._sole_owner = sole_owner
        self._started = False
        self._begin()
        try:
            self._start()
        except (ControlFileError, StateError, TimeoutError) as error:
            _LOG.error("what was left in the count could not be taken back: %s; it is tried again", error)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._share: Literal[0, 1] = 0

    def __repr__(self) -> str:
        return f"UnikraftToggler({str(self._file.path)!r}, mode={self._file.mode!r})"

    @property
    def available(self) -> bool:
        """Whether the control file is there now.

        Raises:
            ControlFileError: That cannot be told, or what is there is no control file.
        """
        return self._file.available()

    def disable(self) -> None:
        """Forbid sleeping.

        Raises:
            ControlFileError: The file does not take it.
            StateError: The journal cannot be written; nothing was changed.
        """
        with self._own():
            if not self._file.available():
                return
            self._start()
            if self._share:
                reading = self._file.read()
                if reading is None or reading.pending > 0:
                    return
                self._share = 0  # somebody has set the count to 0
            self._change("+")

    def enable(self) -> None:
        """Allow sleeping, as far as this process is concerned.

        Raises:
            ControlFileError: The file does not take it.
            StateError: The journal cannot be written; nothing was changed.
        """
        with self._own():
            if not self._file.available():
                self._forget()  # when it comes back, it counts anew
                return
            self._start()
            if self._share:
                self._change("-")

    def state(self) -> TogglerState:
        """Whether our share is in the count."""
        reading = self._file.read()
        if reading is None:
            return "unknown"
        if reading.pending == 0:
            return "asleep"
        if self._lock.locked():
            return "unknown"
        return "awake" if self._share else "asleep"

    # How

    def _own(self) -> threading.Lock:
        """The lock of this process; a forked child begins without a share."""
        if self._pid != os.getpid():
            self._begin()
            if self._journal is not None:
                self._journal.renew()
        return self._lock

    def _start(self) -> None:
        if self._started or not self._file.available():
            return
        if self._sole_owner:
            self._file.write(b"=0")
        if self._journal is not None:
            with self._journal.alone():
                for name, entry in self._journal.left().items():
                    self._take_back(self._journal, name, entry)
        self._started = True

    def _take_back(self, journal: Journal, name: str, entry: Entry) -> None:
        reading = self._file.read()
        count = None if reading is None else reading.pending
        if journal.counts_still(entry) and not self._sole_owner and _is_in(entry, count):
            journal.about_to_take_back(name, entry, count)
            try:
                self._file.write(b"-")
            except ControlFileError as error:
                if error.errno != errno.ERANGE:
                    raise
                _LOG.warning("the count was 0 already: %s", error)
            else:
                _LOG.info("took back the share of process %d, which has ended", entry.owner.pid)
        journal.settled(name)

    def _change(self, command: Literal["+", "-"]) -> None:
        """Add or remove our share, and write down before what is about to happen."""
        journal, share = self._journal, self._share
        reading = self._file.read()
        before = None if reading is None else reading.pending
        if journal is not None:
            journal.write(share=share, intent=command, before=before)
        try:
            self._file.write(command.encode())
        except ControlFileError as error:
            if command == "-" and error.errno == errno.ERANGE:
                _LOG.warning("our share was gone: %s", error)  # the count was 0
            elif not self._has_landed(before, _STEPS[command]):
                if journal is not None:
                    journal.write(share=share)
                raise
        self._share = 1 if command == "+" else 0
        if journal is not None:
            try:
                journal.write(share=self._share)
            except StateError as error:
                # What was about to happen is written down, from which the rest can be told.
                _LOG.warning("the journal is behind: %s", error)

    def _forget(self) -> None:
        if self._share and self._journal is not None:
            self._journal.write(share=0)
        self._share = 0

    def _has_landed(self, before: int | None, step: int) -> bool:
        """Whether a command that failed was taken all the same, as far as the count tells."""
        reading = self._file.read()
        return before is not None and reading is not None and (reading.pending - before) * step > 0


def _is_in(entry: Entry, count: int | None) -> bool:
    """Whether the share of an ended process is in the count. When that cannot be told, what is safe: it is not ours."""
    if not entry.intent:
        return entry.share == 1
    if entry.before is None or count is None:
        _LOG.warning(
            "process %d ended while it wrote %r, and the count cannot tell whether it did; nothing is taken back",
            entry.owner.pid, entry.intent,
        )  # fmt: skip
        return False
    return count > entry.before if entry.intent == "+" else count >= entry.before
