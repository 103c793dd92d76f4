"""What a person sees who opens a page of a server that sleeps: that it is being woken, until it is there."""

from __future__ import annotations

import asyncio
import html
import secrets
from typing import TYPE_CHECKING, Any

from workloads.proxyrunner.asgi import CONNECTION, follow, header
from workloads.proxyrunner.gate import UnavailableError
from workloads.proxyrunner.replies import RETRY_AFTER

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Application, Headers, Receive, Scope, Send
    from workloads.proxyrunner.gate import Gate

__all__ = ("WaitingPage",)

_TICK = 1.0

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name} is waking</title>
<noscript><meta http-equiv="refresh" content="2"></noscript>
<style nonce="{nonce}">body {{ font: 1.1rem system-ui, sans-serif; margin: 20vh auto; max-width: 30rem }}
progress {{ width: 100% }}</style></head>
<body><h1>{name} is waking</h1><progress></progress><p id="told">This page opens by itself as soon as it is there.</p>
<script nonce="{nonce}">const tell = text => {{ document.getElementById("told").textContent = text }}</script>
"""


class WaitingPage:
    """An ASGI application around that which forwards requests. It answers only whoever navigates to what sleeps.

    The page is one response that goes on until the server is ready, and then loads again. Like any other request that
    waits, it wakes the server, and is one of those that the gate lets wait.

    Args:
        application: What serves all other requests.
        gate: Where they wait.
        name: The workload.
        hold: Seconds for which they do.
    """

    def __init__(self, application: Application, gate: Gate[Any], *, name: str, hold: float) -> None:
        """Compose."""
        self._application = application
        self._gate = gate
        self._name = name
        self._hold = hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._gate.waiting or not _navigates(scope["method"], scope["headers"]):
            await self._application(scope, receive, send)
            return
        connection = scope[CONNECTION]
        follow(connection)
        try:
            await self._show(send)
        finally:
            connection.on_lost = None

    async def _show(self, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)

        async def write(text: str, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

        async def run(script: str, *, more: bool = True) -> None:
            await write(f'<script nonce="{nonce}">{script}</script>\n', more=more)

        await send({"type": "http.response.start", "status": 503, "headers": _headers(nonce)})
        await write(_PAGE.format(name=html.escape(self._name), nonce=nonce))
        entering = asyncio.ensure_future(self._gate.enter(self._hold))
        try:
            begun = asyncio.get_running_loop().time()
            while not entering.done():
                await asyncio.wait({entering}, timeout=_TICK)
                if not entering.done():
                    await run(f'tell("Waking for {asyncio.get_running_loop().time() - begun:.0f} s")')
            entering.result()
        except UnavailableError as error:
            await write(
                f"<p>{html.escape(str(error))}. Load this page again to try again.</p></body></html>", more=False
            )
        else:
            await run("location.reload()", more=False)
        finally:
            entering.cancel()
            await asyncio.wait({entering})


def _navigates(method: str, headers: Headers) -> bool:
    """Whether a person opens a page with this request."""
    mode = header(headers, b"sec-fetch-mode")
    return method == "GET" and b"text/html" in (header(headers, b"accept") or b"") and mode in (None, b"navigate")


def _headers(nonce: str) -> list[tuple[bytes, bytes]]:
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", policy.encode()),
        (b"retry-after", str(RETRY_AFTER).encode()),
    ]
