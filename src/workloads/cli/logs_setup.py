"""Where the log records of a command go: standard error, for people on a terminal, as JSON lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from workloads._core.variables import ACCESS_LOG, DEBUG
from workloads.cli.text import escape, escape_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads._core.variables import Variable

__all__ = ("HumanFormatter", "JsonFormatter", "configure", "log_accesses", "wants_access_log", "wants_debug")

# What every record has; the rest of its attributes are the fields it was given in `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_encode = json.JSONEncoder(default=str).encode
_ACCESS = "workloads.access"
_ACCESS_LINES = "workloads-access-lines"
_FALSE = frozenset({"", "0", "false", "no", "off"})


def wants_debug(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for debug logs: ``WORKLOADS_DEBUG``, else ``TOOLHIVE_DEBUG``.

    Args:
        environ: The environment.
    """
    return _is_set(DEBUG, environ)


def wants_access_log(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks proxies to log every request: ``WORKLOADS_ACCESS_LOG``.

    Args:
        environ: The environment.
    """
    return _is_set(ACCESS_LOG, environ)


def log_accesses() -> None:
    """Show the records of every request that a proxy of this process serves, where :func:`configure` sends others."""
    from workloads.cli.access_lines import AccessLines

    access = logging.getLogger(_ACCESS)
    access.setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _CommandHandler) and isinstance(handler.formatter, JsonFormatter):
            lines = AccessLines(handler.stream, handler.formatter)
            lines.set_name(_ACCESS_LINES)
            access.addHandler(lines)
            access.propagate = False


def configure(*, debug: bool = False, level: int = logging.WARNING, stream: TextIO | None = None) -> None:
    """Send the log records of this process to standard error. Calling it again replaces what it set.

    Args:
        debug: Show records of every level of this library; ``level`` counts for the rest.
        level: The lowest level to show otherwise, a number of :mod:`logging`.
        stream: Where to write; None is standard error.
    """
    root, access = logging.getLogger(), logging.getLogger(_ACCESS)
    for previous in root.handlers[:]:
        if isinstance(previous, _CommandHandler):
            root.removeHandler(previous)
    for previous in access.handlers[:]:
        if previous.name == _ACCESS_LINES:
            access.removeHandler(previous)
            access.propagate = True
    handler = _CommandHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(HumanFormatter() if handler.stream.isatty() else JsonFormatter())
    root.addHandler(handler)
    root.setLevel(level)
    # A log line that cannot be written must not become a traceback on the same stream.
    logging.raiseExceptions = False
    logging.getLogger("workloads").setLevel(logging.DEBUG if debug or wants_debug(os.environ) else logging.NOTSET)
    logging.captureWarnings(capture=True)


def _is_set(switch: Variable, environ: Mapping[str, str]) -> bool:
    return switch.value(environ).strip().lower() not in _FALSE


class _CommandHandler(logging.StreamHandler[TextIO]):
    """The handler set by :func:`configure`, told from those of others by its class."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, then the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and key not in document:
                document[key] = value
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return _encode(document)


class HumanFormatter(logging.Formatter):
    """Time, level, message and the fields as ``key=value``; control characters are spelled out."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        text = f"{clock} {record.levelname.lower():<7} {escape(record.getMessage() + fields)}"
        if record.exc_info:
            text += "\n" + escape_lines(self.formatException(record.exc_info))
        return text


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
