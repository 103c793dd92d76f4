"""Workloads as JSON, as rows and as text. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workloads.cli.text import escape, escape_lines
from workloads.errors import GroupNotEmptyError, GroupNotFoundError, WorkloadNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workloads.errors import WorkloadsError
    from workloads.factory import Detection
    from workloads.model import ReplicaStats, Workload
    from workloads.proxyrunner.control.usage import Usage

__all__ = (
    "HEADER",
    "age",
    "columns",
    "details",
    "detection_view",
    "error_text",
    "row",
    "select",
    "stats_details",
    "stats_view",
    "timestamp",
    "usage_details",
    "workload_view",
)

HEADER = ("NAME", "STATUS", "URL", "GROUP", "RUNTIME", "AGE")

_MEGABYTE = 10**6
_NOTHING = "-"  # a cell is never empty, so that columns stay countable


def workload_view(workload: Workload) -> dict[str, object]:
    """The workload as ToolHive's API shows it, with the facts that only this library has after them.

    Args:
        workload: The workload to show.
    """
    view: dict[str, object] = {
        "name": workload.name,
        "package": "remote" if workload.remote else workload.image,
        "url": workload.url,
        "port": workload.port,
        "transport_type": workload.transport.value,
        "proxy_mode": workload.proxy_mode.value,
        "status": workload.status.value,
    }
    if workload.status_context:
        view["status_context"] = workload.status_context
    view["created_at"] = timestamp(workload.created_at)
    if workload.labels:
        view["labels"] = dict(workload.labels)
    if workload.group:
        view["group"] = workload.group
    if workload.remote:
        view["remote"] = True
    if workload.started_at is not None:
        view["started_at"] = timestamp(workload.started_at)
    return view | {
        "runtime": workload.runtime,
        "command": list(workload.command),
        "replicas": {"ready": workload.replicas.ready, "desired": workload.replicas.desired},
        "asleep": workload.asleep,
        "isolation": workload.isolation.value,
    }


def detection_view(detection: Detection) -> dict[str, object]:
    """Which runtime was chosen and why, as JSON values.

    Args:
        detection: The outcome of the detection.
    """
    import attrs

    return attrs.asdict(detection)


def select(workloads: Iterable[Workload], *, everything: bool, labels: Mapping[str, str]) -> list[Workload]:
    """Those workloads that a list shows.

    Args:
        workloads: What there is.
        everything: Keep those that do not run, too.
        labels: Keep only those that have every one of these labels.
    """
    return [
        workload
        for workload in workloads
        if (everything or workload.status.is_active) and labels.items() <= dict(workload.labels).items()
    ]


def row(workload: Workload, now: datetime) -> tuple[str, ...]:
    """The cells of a workload under :data:`HEADER`.

    Args:
        workload: The workload to show.
        now: What its age is counted to.
    """
    cells = (
        workload.name,
        _status(workload),
        workload.url,
        workload.group,
        workload.runtime,
        age(now, workload.created_at),
    )
    return tuple(escape(cell) or _NOTHING for cell in cells)


def details(workload: Workload, now: datetime) -> list[tuple[str, str]]:
    """Everything known of a workload, as label and text.

    Args:
        workload: The workload to show.
        now: What its age is counted to.
    """
    shown = [
        ("Name", workload.name),
        ("Status", _status(workload)),
        ("Why", workload.status_context),
        ("URL", workload.url),
        ("Runtime", f"{workload.runtime} (isolation: {workload.isolation})"),
        ("Image", workload.image),
        ("Command", " ".join(workload.command)),
        ("Transport", f"{workload.transport}, proxied as {workload.proxy_mode}"),
        ("Replicas", f"{workload.replicas.ready} of {workload.replicas.desired} ready"),
        ("Group", workload.group),
        ("Labels", ", ".join(f"{key}={value}" for key, value in sorted(workload.labels.items()))),
        ("Created", f"{timestamp(workload.created_at)} ({age(now, workload.created_at)} ago)"),
    ]
    if workload.started_at is not None:
        shown.append(("Started", f"{timestamp(workload.started_at)} ({age(now, workload.started_at)} ago)"))
    return [(label, escape(text)) for label, text in shown if text]


def usage_details(usage: Usage) -> list[tuple[str, str]]:
    """Why a workload is awake, or when it sleeps, as label and text.

    Args:
        usage: What keeps it awake.
    """
    users = [("Used by", user) for user in usage.users()]
    if not usage.sleeps:
        sleeps = "never: it has no idle_timeout"
    elif usage.asleep:
        sleeps = "now; the next request wakes it"
    elif usage.sleeps_in is None:
        sleeps = "not while it is used"
    else:
        sleeps = f"in {usage.sleeps_in:.0f} s, unless it is used"
    shown = [*users, ("Sleeps", sleeps), ("Trouble", usage.trouble)]
    return [(label, escape(text)) for label, text in shown if text]


def stats_view(stats: Iterable[ReplicaStats]) -> list[dict[str, object]]:
    """What replicas use, as JSON values; what is not told is null.

    Args:
        stats: The figures of each.
    """
    import attrs

    return [attrs.asdict(each) for each in stats]


def stats_details(stats: Iterable[ReplicaStats]) -> list[tuple[str, str]]:
    """What replicas use, as label and text, a line for each.

    Args:
        stats: The figures of each.
    """
    return [(f"Replica {each.index}", _figures(each)) for each in stats]


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in aligned columns, two spaces apart, without trailing space.

    Args:
        rows: The rows, the header first if there is one; all of one length.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows
    )


def age(now: datetime, then: datetime) -> str:
    """How long ago that was, in its largest whole unit: ``42s``, ``7m``, ``3h``, ``12d``.

    Args:
        now: The present.
        then: The past; a time to come counts as the present.
    """
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def error_text(error: WorkloadsError) -> str:
    """The message of an error in the words of the command, safe to show.

    Args:
        error: What the library raised.
    """
    if isinstance(error, WorkloadNotFoundError):
        return escape_lines(f"workload {error.name!r} not found; `workloads list --all` shows those that exist")
    if isinstance(error, GroupNotFoundError):
        return escape_lines(f"group {error.group!r} not found; `workloads group create` makes one")
    if isinstance(error, GroupNotEmptyError):
        members = ", ".join(error.members)
        return escape_lines(f"group {error.group!r} has workloads: {members}; --move-to moves them to another group")
    return escape_lines("\n".join([str(error), *getattr(error, "__notes__", ())]))


def timestamp(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC.

    Args:
        moment: An aware time.
    """
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _status(workload: Workload) -> str:
    return f"{workload.status} (asleep)" if workload.asleep else workload.status.value


def _figures(stats: ReplicaStats) -> str:
    limit = "" if stats.memory_limit is None else f" of {_megabytes(stats.memory_limit)}"
    told = [f"{_megabytes(stats.memory)}{limit} of memory", f"{stats.cpu_seconds:.1f} s of CPU"]
    if stats.pids is not None:
        told.append(f"{stats.pids} processes and threads")
    for what, coming, going in (
        ("network", stats.network_received, stats.network_sent),
        ("disk", stats.block_read, stats.block_written),
    ):
        if coming is not None and going is not None:
            told.append(f"{what} {_megabytes(coming)} in, {_megabytes(going)} out")
    return "; ".join(told)


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:.1f} MB"
