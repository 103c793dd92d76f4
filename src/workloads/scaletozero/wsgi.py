"""For WSGI servers: middleware that holds for each request."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Literal

from workloads.errors import WorkloadsError
from workloads.scaletozero.bypass import Bypass, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from workloads.scaletozero.holds import Hold
    from workloads.scaletozero.protocols import Controller

__all__ = ("Bypass", "ScaleToZeroMiddleware")

_LOG = logging.getLogger("workloads.scaletozero")


class ScaleToZeroMiddleware:
    """Forbids sleeping while a WSGI application serves anybody.

    A request holds from its beginning until the server closes the response, which it does after the last byte, also
    when it never iterates it. When sleeping cannot be forbidden, the request is refused with 503, and the application
    not called. A server that forks must fork before its first request, as all do.

    Args:
        app: The application.
        controller: Who forbids sleeping.
        owner: The owner of the holds; ``http`` by default. Their reason is the method and the path.
        on_failure: ``refuse`` (the default), or ``run`` to serve without a hold when none can be had.
        bypass: Which requests take no hold; None (the default) for none.
    """

    def __init__(
        self,
        app: WSGIApplication,
        controller: Controller,
        *,
        owner: str = "http",
        on_failure: Literal["refuse", "run"] = "refuse",
        bypass: Bypass | None = None,
    ) -> None:
        """The application, with holds around it."""
        self._app = app
        self._controller = controller
        self._owner = owner
        self._refuses = on_failure == "refuse"
        self._bypass = bypass

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if self._bypass is not None and self._bypass.applies(_request(environ)):
            return self._app(environ, start_response)
        reason = f"{environ['REQUEST_METHOD']} {_path(environ)}"
        try:
            hold = self._controller.acquire(self._owner, reason=reason)
        except WorkloadsError as error:
            if not self._refuses:
                return self._app(environ, start_response)
            _LOG.warning("%s refused: %s", reason, error)
            return _refuse(start_response)
        try:
            return _Response(self._app(environ, start_response), hold)
        except BaseException:
            hold.release()
            raise


class _Response:
    """What an application returned, and the hold that ends with it."""

    def __init__(self, body: Iterable[bytes], hold: Hold) -> None:
        self._body = body
        self._hold = hold

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def __len__(self) -> int:
        # Servers tell the length of a response of one part by this; TypeError, as ever, when it has none.
        return len(self._body)  # type: ignore[arg-type]  # it may have one all the same

    def close(self) -> None:
        """End the response, and with it the hold."""
        try:
            close: Callable[[], Any] | None = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._hold.release()


def _refuse(start_response: StartResponse) -> list[bytes]:
    detail = "The service cannot be kept awake for this request. Try again."
    document = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail}
    body = json.dumps(document).encode()
    headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))), ("Retry-After", "1")]
    start_response("503 Service Unavailable", headers)
    return [body]


def _request(environ: WSGIEnvironment) -> Request:
    return Request(
        peer=environ.get("REMOTE_ADDR", ""),
        method=environ["REQUEST_METHOD"],
        path=_path(environ),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        forwarded_for=environ.get("HTTP_X_FORWARDED_FOR", ""),
    )


def _path(environ: WSGIEnvironment) -> str:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path
