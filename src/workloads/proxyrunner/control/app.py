"""The control routes as an ASGI application: who may ask, and which route answers.

On a Unix socket the file system says who may ask; over TCP a token does. A page in a browser may do neither.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from workloads.proxyrunner.asgi import ClientGoneError, header, respond
from workloads.proxyrunner.body import BodyError
from workloads.proxyrunner.replies import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.proxyrunner.asgi import Application, Headers, Receive, Scope, Send
    from workloads.proxyrunner.guard import Guard
    from workloads.proxyrunner.replies import Reply

__all__ = ("Control",)

_SCHEME = b"bearer "


class Control:
    """Several applications, each at its path and below.

    Args:
        routes: The applications, by path. What is added later counts from then on.
        guard: Judges the names by which it is called. Default: None, it has none.
        token: What must come in the ``Authorization`` header. Default: None, whoever can connect may ask.
    """

    def __init__(
        self, routes: Mapping[str, Application], *, guard: Guard | None = None, token: str | None = None
    ) -> None:
        """Compose."""
        self._routes = routes
        self._guard = guard
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        application = self._find(scope["path"])
        refusal = self._refusal(scope["headers"])
        try:
            if refusal is not None:
                await respond(send, refusal)
            elif application is None:
                await respond(send, plain(404, "There are: " + ", ".join(sorted(self._routes))))
            else:
                await application(scope, receive, send)
        except BodyError as error:
            await respond(send, error.reply)
        except ClientGoneError:
            return

    def _refusal(self, headers: Headers) -> Reply | None:
        # A page cannot leave these out, and a program has no reason to send them.
        if header(headers, b"origin") is not None or header(headers, b"sec-fetch-site") not in (None, b"none"):
            return plain(403, "Not for pages")
        verdict = None if self._guard is None else self._guard.judge(headers)
        if verdict is not None:
            return plain(verdict.status, verdict.message)
        if self._token is not None and not _shows(headers, self._token):
            return plain(401, "A token is needed", (b"www-authenticate", b"Bearer"))
        return None

    def _find(self, path: str) -> Application | None:
        for prefix, application in self._routes.items():
            if path == prefix or path.startswith(prefix + "/"):
                return application
        return None


def _shows(headers: Headers, token: bytes) -> bool:
    given = header(headers, b"authorization") or b""
    return given[: len(_SCHEME)].lower() == _SCHEME and hmac.compare_digest(given[len(_SCHEME) :].strip(), token)
