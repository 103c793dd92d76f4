"""What a terminal shows beyond plain lines: tables with colour, and progress while something takes its time."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from rich.status import Status
    from rich.text import Text

    from workloads.manager import WorkloadReader

__all__ = ("Progress", "follow_status", "is_terminal", "print_table", "progress")

_STATUS_STYLES = {
    "running": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "removing": "yellow",
    "stopped": "dim",
    "error": "red",
    "unhealthy": "red",
}
_LOOK_EVERY = 0.25


def is_terminal(*, err: bool = False) -> bool:
    """Whether people see the output as it is written.

    Args:
        err: Ask for standard error instead of standard output.
    """
    return (sys.stderr if err else sys.stdout).isatty()


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with colour on a terminal.

    Args:
        header: The names of the columns.
        rows: The cells, safe to show.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for cells in rows:
        table.add_row(*(Text(cell, style=_STATUS_STYLES.get(cell.partition(" ")[0], "")) for cell in cells))
    Console(file=sys.stdout, highlight=False).print(table)


class Progress(Protocol):
    """Tells people what goes on; from any thread, with text that is safe to show."""

    def tell(self, text: str) -> None:
        """Say what goes on now."""
        ...

    def result(self, text: str, *, err: bool = False) -> None:
        """Print a line that stays, on standard output or standard error."""
        ...


class _Lines:
    """Progress off a terminal: a line for each new message."""

    def __init__(self, message: str) -> None:
        self._told = ""
        self.tell(message)

    def tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            click.echo(text, err=True)

    def result(self, text: str, *, err: bool = False) -> None:
        click.echo(text, err=err)


class _Spinner:
    """Progress on a terminal: one line that moves and is gone in the end."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def tell(self, text: str) -> None:
        self._status.update(_plain(text))

    def result(self, text: str, *, err: bool = False) -> None:
        # The moving line would run into this one, even where only one of the two streams is a terminal.
        self._status.stop()
        click.echo(text, err=err)
        self._status.start()


@contextlib.contextmanager
def progress(message: str) -> Generator[Progress]:
    """Show on standard error that something goes on: a spinner on a terminal, a line for each message elsewhere.

    Args:
        message: What goes on at first, safe to show.
    """
    if not is_terminal(err=True):
        yield _Lines(message)
        return
    from rich.console import Console

    # What others print meanwhile goes where they print it, not through this console.
    console = Console(file=sys.stderr, highlight=False)
    with console.status(_plain(message)) as status:
        yield _Spinner(status)


@contextlib.contextmanager
def follow_status(manager: WorkloadReader, name: str, tell: Callable[[str], None]) -> Generator[None]:
    """Meanwhile tell the status of a workload whenever it changes, and where it runs once it does.

    Args:
        manager: Who knows the workload.
        name: The workload; it need not exist yet.
        tell: Takes what to show.
    """
    import threading

    from workloads.cli.text import escape
    from workloads.errors import WorkloadsError
    from workloads.model import WorkloadStatus

    done = threading.Event()

    def watch() -> None:
        told = ""
        while not done.wait(_LOOK_EVERY):
            # It may not exist yet, or no longer; whoever runs it tells why.
            with contextlib.suppress(WorkloadsError):
                workload = manager.get_workload(name)
                context = f" ({workload.status_context})" if workload.status_context else ""
                place = f" at {workload.url}" if workload.status is WorkloadStatus.RUNNING else ""
                text = escape(f"{name}: {workload.status}{place}{context}")
                if text != told:
                    told = text
                    tell(text)

    thread = threading.Thread(target=watch, name="workloads-status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _plain(text: str) -> Text:
    # A string would be read as markup.
    from rich.text import Text

    return Text(text)
