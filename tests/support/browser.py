"""A real browser without a window, told what to do over a pipe (the protocol of Chromium's developer tools)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# It starts in any container and as any user, and looks for nothing on the network.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Page:
    """One page of a browser."""

    def __init__(self, asking: int, answering: int) -> None:
        self._asking = asking
        self._answering = answering
        self._rest = b""
        self._number = 0
        self._session = ""

    def open(self, url: str) -> None:
        """Begin to load a page, as a person does who types its address."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.navigate", url=url)

    def read(self, expression: str) -> Any:
        """The value of an expression of JavaScript there; None while there is no page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("value")

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            pass
        return answer.get("result", {})

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._answering, 2**16)
            assert chunk, "the browser has ended"
            self._rest += chunk
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser of its own that keeps all it writes in a folder; it and what it started are gone afterwards."""
    their_input, asking = os.pipe()
    answering, their_output = os.pipe()
    words = ["chromium", *_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
    # It reads from descriptor 3 and writes to 4.
    command = ["bash", "-c", f'exec "$@" 3<&{their_input} 4>&{their_output}', "bash", *words]
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    process = subprocess.Popen(
        command, pass_fds=(their_input, their_output), env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(their_input)
    os.close(their_output)
    try:
        yield Page(asking, answering)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        os.close(asking)
        os.close(answering)
