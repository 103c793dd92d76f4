"""The access log as lines of JSON, written in one go for all requests that are answered in one turn of the loop."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, TextIO

from workloads.proxyrunner.access_log import ACCESS, AccessHandler

if TYPE_CHECKING:
    import logging

    from workloads.proxyrunner.access_log import Access

__all__ = ("AccessLines", "Clock", "line")

# What JsonFormatter writes for such a record, whose texts are encoded when it is filled in.
_LINE = (
    '{"time": "%s", "level": "info", "logger": ' + quoted(ACCESS) + ', "message": %s, "workload": %s, "method": %s,'
    ' "path": %s, "status": %d, "seconds": %r, "bytes": %d, "backend": %s, "session": %s, "mcp_method": %s}\n'
)


class AccessLines(AccessHandler):
    """Writes requests to a stream. What was not written when the process ends, is then.

    Args:
        stream: Where to.
        formatter: Makes a line of a record that comes the usual way.
    """

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        """Nothing is to be written yet."""
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._clock = Clock()
        self._lines: list[str] = []

    def tell(self, access: Access) -> None:
        """See :meth:`AccessHandler.tell`."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line(access, self._clock.shown(time.time())))

    def emit(self, record: logging.LogRecord) -> None:
        """A record that came the usual way."""
        self._lines.append(self.format(record) + "\n")
        self.flush()

    def flush(self) -> None:
        """Write what was not written yet."""
        lines, self._lines = self._lines, []
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads it any more, or it is closed: that must end nothing


class Clock:
    """Shows times as in ISO 8601, of which all but the thousandths of a second is seldom new."""

    def __init__(self) -> None:
        """Nothing was shown yet."""
        self._second = -1
        self._text = ""

    def shown(self, seconds: float) -> str:
        """A time, in seconds since the epoch."""
        second = int(seconds)
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((seconds - second) * 1000):03}+00:00"


def line(access: Access, when: str) -> str:
    """A request as a line.

    Args:
        access: The request.
        when: When it was answered.
    """
    workload, method, path, status, seconds, size, backend, session, mcp_method = access
    return _LINE % (
        when,
        quoted(f"{method} {path} {status}"),
        quoted(workload),
        quoted(method),
        quoted(path),
        status,
        seconds,
        size,
        quoted(backend),
        quoted(session),
        quoted(mcp_method),
    )
