"""What each process has added to a count, written down so that the next one can take it back."""

from __future__ import annotations

import contextlib
import logging
import secrets
from typing import TYPE_CHECKING, Literal, cast

import attrs

from workloads._core.fields import text
from workloads._core.process import ProcessIdentity, current, is_alive
from workloads._core.records import RecordFolder, dump_object, load_object
from workloads.scaletozero._ledger import check_name

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

__all__ = ("Entry", "Journal")

_LOG = logging.getLogger("workloads.scaletozero")

_LOCK_WAIT = 10.0

Intent = Literal["", "+", "-"]


@attrs.frozen(kw_only=True)
class Entry:
    """The share of one process.

    Attributes:
        owner: The process.
        share: What it has added, as far as it knows: 0 or 1.
        intent: What it was about to write; empty when that is done.
        before: The count that it read before that; None when it could not be read.
    """

    owner: ProcessIdentity
    share: int
    intent: Intent = ""
    before: int | None = None


class Journal:
    """A folder with a file for each process that has a share.

    Args:
        folder: The folder; created when first needed, for this user alone.
    """

    def __init__(self, folder: Path) -> None:
        """A journal in that folder, in which this process has no share."""
        self._records = RecordFolder(folder, folder, check_name, kind="journal")
        self.renew()

    def renew(self) -> None:
        """Belong to this process, which may be a forked child of the one that it belonged to."""
        self._owner = current()
        # More than one toggler of a process may have a share of its own.
        self._name = f"{self._owner.pid}-{secrets.token_hex(4)}"

    def write(self, *, share: int, intent: Intent = "", before: int | None = None) -> None:
        """Write down the share of this process, or what it is about to do. Lasts when this returns."""
        if share or intent:
            self._put(self._name, Entry(owner=self._owner, share=share, intent=intent, before=before))
        else:
            self._records.remove(self._name)

    def left(self) -> dict[str, Entry]:
        """What was left by processes that have ended, by the name of the entry.

        Entries of other machines and pid namespaces are passed over, for nobody here can tell whether their processes
        live. Damaged ones are told of and passed over.
        """
        found: dict[str, Entry] = {}
        for name in self._records.names():
            data = self._records.read(name)
            if name == self._name or data is None:
                continue
            try:
                entry = _parse(load_object(data))
            except ValueError as error:
                _LOG.warning("journal entry %s cannot be read: %s; nothing is taken back for it", name, error)
                continue
            here = entry.owner.host == self._owner.host and (
                entry.owner.pid_namespace == self._owner.pid_namespace or not self.counts_still(entry)
            )
            if here and not is_alive(entry.owner):
                found[name] = entry
        return found

    def counts_still(self, entry: Entry) -> bool:
        """Whether the count that an entry speaks of is the one of today: a boot begins it anew."""
        return entry.owner.boot_id == self._owner.boot_id

    def about_to_take_back(self, name: str, entry: Entry, before: int | None) -> None:
        """Write down that the share of an entry is about to be taken back, so that a crash does not do it twice."""
        self._put(name, attrs.evolve(entry, intent="-", before=before))

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """Look at what is left without another process that does the same."""
        with self._records.lock("taking-back").held(_LOCK_WAIT):
            yield

    def settled(self, name: str) -> None:
        """Forget an entry whose share was taken back."""
        self._records.remove(name)

    def _put(self, name: str, entry: Entry) -> None:
        document = attrs.asdict(entry, recurse=False) | {"owner": entry.owner.to_dict()}
        self._records.write(name, dump_object(document))


def _parse(document: Mapping[str, object]) -> Entry:
    owner, before, intent = document.get("owner"), document.get("before"), text(document, "intent")
    if not isinstance(owner, dict):
        raise ValueError("owner: expected an object")  # noqa: TRY004  # a damaged file
    if before is not None and (not isinstance(before, int) or isinstance(before, bool)):
        raise ValueError("before: expected a whole number")
    if intent not in ("", "+", "-") or document.get("share") not in (0, 1):
        raise ValueError("share or intent cannot be right")
    return Entry(
        owner=ProcessIdentity.from_dict(cast("dict[str, object]", owner)),
        share=1 if document["share"] else 0,
        intent="+" if intent == "+" else "-" if intent == "-" else "",
        before=before,
    )
