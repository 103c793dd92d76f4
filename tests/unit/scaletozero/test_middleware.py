"""ASGI and WSGI: who holds for how long, who does not, and what happens when nothing can be held."""

from __future__ import annotations

import asyncio
import threading
import wsgiref.util
import wsgiref.validate

import pytest
from tests.support.aio import run, until
from tests.support.idle import ManualClock, Toggler

from workloads.scaletozero import DebouncedController, NoopController, aio
from workloads.scaletozero.asgi import Bypass, ScaleToZeroMiddleware
from workloads.scaletozero.bypass import Request
from workloads.scaletozero.wsgi import ScaleToZeroMiddleware as WSGIMiddleware

HTTP = {"type": "http", "method": "GET", "path": "/page", "query_string": b"secret=1", "headers": []}
WEBSOCKET = {"type": "websocket", "path": "/chat", "headers": []}


class Told:
    """The server's side of one exchange."""

    def __init__(self, *messages) -> None:
        self.messages = list(messages)
        self.sent: list[dict] = []

    async def receive(self):
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message) -> None:
        self.sent.append(message)


async def hello(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def with_controller(body, toggler=None, kind="asyncio", **options):
    """Run a test's body with a controller of a kind, and the toggler."""

    async def around() -> None:
        chosen = toggler or Toggler()
        settings = {"cooldown": 0} | options
        if kind == "asyncio":
            async with aio.DebouncedController(aio.to_async_toggler(chosen), **settings) as controller:
                await body(controller, chosen)
        else:
            controller = DebouncedController(chosen, **settings)
            try:
                await body(controller, chosen)
            finally:
                await asyncio.get_running_loop().run_in_executor(None, controller.close)

    run(around())


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_a_request_holds_until_its_application_has_returned(kind):
    """S2Z-T58 ASGI http: hold from scope start until after the last body message *and* app return."""

    async def body(controller, toggler) -> None:
        seen: list[object] = []

        async def app(scope, receive, send) -> None:
            status = controller.status()
            seen.append([(hold.owner, hold.reason) for hold in status.holds])
            await hello(scope, receive, send)
            seen.append(len(controller.status().holds))

        await ScaleToZeroMiddleware(app, controller)(dict(HTTP), Told().receive, Told().send)
        assert seen == [[("http", "GET /page")], 1]  # never the query, which may hold secrets
        assert controller.status().holds == ()
        await until(lambda: toggler.calls == ["disable", "enable"])

    with_controller(body, kind=kind)


@pytest.mark.parametrize("ending", ["error", "cancelled"])
def test_a_request_that_fails_or_whose_client_goes_releases(ending):
    """S2Z-T58 ... released on exception and on client disconnect."""

    async def body(controller, toggler) -> None:
        entered = asyncio.Event()

        async def app(scope, receive, send) -> None:
            entered.set()
            if ending == "error":
                raise ZeroDivisionError
            await asyncio.Event().wait()

        task = asyncio.create_task(ScaleToZeroMiddleware(app, controller)(dict(HTTP), Told().receive, Told().send))
        await entered.wait()
        task.cancel()
        with pytest.raises((ZeroDivisionError, asyncio.CancelledError)):
            await task
        assert controller.status().holds == ()

    with_controller(body)


def test_a_stream_holds_as_long_as_it_streams_and_the_drain_delay():
    """S2Z-T58 ... streaming/SSE holds for the whole stream; optional drain delay."""

    async def body(controller, toggler) -> None:
        go_on = asyncio.Event()

        async def app(scope, receive, send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"data", "more_body": True})
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"last"})

        middleware = ScaleToZeroMiddleware(app, controller, drain_delay=0.01)
        told = Told()
        task = asyncio.create_task(middleware(dict(HTTP), told.receive, told.send))
        await until(lambda: len(told.sent) == 2)
        assert len(controller.status().holds) == 1
        go_on.set()
        await task
        assert len(controller.status().holds) == 1
        await until(lambda: not controller.status().holds)

    with_controller(body)


def test_a_websocket_holds_while_it_is_open():
    """S2Z-T59 ASGI websocket: hold for connection lifetime."""

    async def body(controller, toggler) -> None:
        close = asyncio.Event()

        async def app(scope, receive, send) -> None:
            await close.wait()

        task = asyncio.create_task(ScaleToZeroMiddleware(app, controller)(dict(WEBSOCKET), Told().receive, Told().send))
        await until(lambda: controller.status().holds)
        assert controller.status().holds[0].reason == "websocket /chat"
        close.set()
        await task
        assert controller.status().holds == ()

    with_controller(body)


def test_a_quiet_websocket_lets_go_and_holds_again_with_the_next_message():
    """S2Z-T59 ... optional idle-message timeout releases the hold while the socket stays open."""

    async def body(controller, toggler) -> None:
        say, sleeping, close = asyncio.Event(), asyncio.Event(), asyncio.Event()
        held: list[int] = []

        async def receive():
            await say.wait()
            return {"type": "websocket.receive", "text": "hi"}

        async def app(scope, receive, send) -> None:
            await send({"type": "websocket.accept"})
            await until(lambda: not controller.status().holds)
            sleeping.set()
            await receive()
            held.append(len(controller.status().holds))
            await close.wait()

        middleware = ScaleToZeroMiddleware(app, controller, websocket_idle=0.02)
        task = asyncio.create_task(middleware(dict(WEBSOCKET), receive, Told().send))
        await sleeping.wait()
        await until(lambda: toggler.calls == ["disable", "enable"])
        say.set()
        await until(lambda: held)
        assert held == [1]
        assert toggler.calls[:3] == ["disable", "enable", "disable"]
        close.set()
        await task
        assert controller.status().holds == ()

    with_controller(body)


def test_a_lifespan_holds_nothing():
    """S2Z-T60 ASGI lifespan scope takes no hold."""

    async def body(controller, toggler) -> None:
        seen: list[int] = []

        async def app(scope, receive, send) -> None:
            seen.append(len(controller.status().holds))

        await ScaleToZeroMiddleware(app, controller)({"type": "lifespan"}, Told().receive, Told().send)
        assert seen == [0]
        assert toggler.calls == []

    with_controller(body)


@pytest.mark.parametrize(
    ("rules", "request_", "applies"),
    [
        (Bypass(), Request(peer="127.0.0.1", path="/healthz"), False),
        (Bypass(loopback=True), Request(peer="127.0.0.1"), True),
        (Bypass(loopback=True), Request(peer="127.9.9.9"), True),
        (Bypass(loopback=True), Request(peer="::1"), True),
        (Bypass(loopback=True), Request(peer="::ffff:127.0.0.1"), True),
        (Bypass(loopback=True), Request(peer="10.0.0.1"), False),
        (Bypass(loopback=True), Request(peer=""), False),
        (Bypass(loopback=True), Request(peer="testclient"), False),
        (Bypass(networks=["10.0.0.0/8", "::1"]), Request(peer="10.1.2.3"), True),
        (Bypass(networks=["10.0.0.0/8"]), Request(peer="11.1.2.3"), False),
        (Bypass(networks=["10.0.0.0/8"]), Request(peer="fe80::1"), False),
        (Bypass(paths=["/healthz", "/static/"]), Request(path="/healthz"), True),
        (Bypass(paths=["/healthz", "/static/"]), Request(path="/static/a"), True),
        (Bypass(paths=["/healthz", "/static/"]), Request(path="/healthz/a"), False),
        (Bypass(methods=["OPTIONS"]), Request(method="OPTIONS"), True),
        (Bypass(user_agents=["kube-probe"]), Request(user_agent="Kube-Probe/1.30"), True),
        (Bypass(user_agents=["kube-probe"]), Request(user_agent="curl"), False),
        (Bypass(loopback=True), Request(peer="10.0.0.1", forwarded_for="127.0.0.1"), False),
        (Bypass(loopback=True, trusted_proxies=1), Request(peer="10.0.0.1", forwarded_for="9.9.9.9, 127.0.0.1"), True),
        (Bypass(loopback=True, trusted_proxies=1), Request(peer="10.0.0.1", forwarded_for="127.0.0.1, 9.9.9.9"), False),
        (Bypass(loopback=True, trusted_proxies=2), Request(peer="127.0.0.1", forwarded_for="9.9.9.9, 8.8.8.8"), False),
        (Bypass(loopback=True, trusted_proxies=1), Request(peer="127.0.0.1"), True),
    ],
)
def test_who_takes_no_hold(rules, request_, applies):
    """S2Z-T61 loopback peers, configured paths, user agents, methods, CIDRs bypass; proxy headers only when told so."""
    assert rules.applies(request_) is applies


def test_rules_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="does not appear to be"):
        Bypass(networks=["10.0.0.0/99"])
    with pytest.raises(TypeError, match="expected several texts"):
        Bypass(paths="/healthz")
    with pytest.raises(ValueError, match="trusted_proxies"):
        Bypass(trusted_proxies=-1)


@pytest.mark.parametrize("holds", [True, False])
def test_the_middleware_looks_at_the_rules(holds):
    """S2Z-T61 ... in the ASGI middleware."""

    async def body(controller, toggler) -> None:
        scope = HTTP | {
            "client": ("10.0.0.1", 1),
            "headers": [(b"user-agent", b"probe/1"), (b"x-forwarded-for", b"127.0.0.1")],
        }
        rules = Bypass(user_agents=["nobody" if holds else "probe"])
        await ScaleToZeroMiddleware(hello, controller, bypass=rules)(scope, Told().receive, Told().send)
        assert toggler.count("disable") == holds

    with_controller(body)


def environ(**more):
    made = dict(more)
    wsgiref.util.setup_testing_defaults(made)
    made.setdefault("QUERY_STRING", "secret=1")
    return made


@pytest.mark.parametrize("iterated", [True, False])
def test_a_wsgi_response_holds_until_it_is_closed(iterated):
    """S2Z-T62 WSGI: hold until `close()` of the iterable, also when the server never iterates it."""
    toggler = Toggler()
    closed: list[bool] = []

    class Body:
        def __iter__(self):
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append(True)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    with DebouncedController(toggler, cooldown=0) as controller:
        middleware = WSGIMiddleware(app, controller, bypass=Bypass(paths=["/healthz"]))
        body = middleware(environ(PATH_INFO="/page"), lambda *_: None)
        assert [hold.reason for hold in controller.status().holds] == ["GET /page"]
        if iterated:
            assert b"".join(body) == b"ab"
        assert len(controller.status().holds) == 1
        body.close()
        assert closed == [True]
        assert toggler.calls == ["disable", "enable"]
        middleware(environ(PATH_INFO="/healthz"), lambda *_: None).close()
        assert toggler.calls == ["disable", "enable"]


def test_a_wsgi_application_that_fails_releases():
    """S2Z-T62 ... and when there is no response at all."""

    def app(environ, start_response):
        raise ZeroDivisionError

    with DebouncedController(Toggler(), cooldown=0) as controller:
        with pytest.raises(ZeroDivisionError):
            WSGIMiddleware(app, controller)(environ(), lambda *_: None)
        assert controller.status().holds == ()


def test_the_wsgi_middleware_keeps_to_the_protocol():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    checked = wsgiref.validate.validator(WSGIMiddleware(wsgiref.validate.validator(app), NoopController()))
    body = checked(environ(), lambda *_: lambda data: None)
    assert list(body) == [b"ok"]
    body.close()


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
@pytest.mark.parametrize("on_failure", ["refuse", "run"])
def test_what_happens_when_nothing_can_be_held(on_failure, kind):
    """S2Z-T63 acquire failure → 503 (closed) or pass-through (open) as configured; app not called in closed mode."""

    async def body(controller, toggler) -> None:
        toggler.plan("disable", OSError("no"), OSError("no"))
        middleware = ScaleToZeroMiddleware(hello, controller, on_failure=on_failure)
        told = Told()
        await middleware(dict(HTTP), told.receive, told.send)
        status = told.sent[0]["status"]
        assert status == (503 if on_failure == "refuse" else 200)
        if on_failure == "refuse":
            assert (b"retry-after", b"1") in told.sent[0]["headers"]
            assert (b"content-type", b"application/problem+json") in told.sent[0]["headers"]
            socket = Told()
            await middleware(dict(WEBSOCKET), socket.receive, socket.send)
            assert socket.sent == [{"type": "websocket.close", "code": 1013, "reason": "try again later"}]
        assert controller.status().holds == ()

    with_controller(body, kind=kind, clock=ManualClock())


@pytest.mark.parametrize("on_failure", ["refuse", "run"])
def test_what_happens_under_wsgi_when_nothing_can_be_held(on_failure):
    """S2Z-T63 ... under WSGI."""
    toggler = Toggler()
    toggler.plan("disable", OSError("no"))
    statuses: list[str] = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"ok"]

    with DebouncedController(toggler, clock=ManualClock()) as controller:
        body = WSGIMiddleware(app, controller, on_failure=on_failure)(
            environ(), lambda status, _: statuses.append(status)
        )
        assert statuses == ["503 Service Unavailable" if on_failure == "refuse" else "200 OK"]
        assert b"".join(body)


def test_a_request_whose_client_goes_while_a_thread_takes_its_hold_leaves_nothing():
    async def body(controller, toggler) -> None:
        from tests.support.idle import Gate

        gate = Gate()
        toggler.plan("disable", gate)
        middleware = ScaleToZeroMiddleware(hello, controller)
        task = asyncio.create_task(middleware(dict(HTTP), Told().receive, Told().send))
        await until(gate.entered.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.open()
        await until(lambda: toggler.calls == ["disable", "enable"])
        assert controller.status().holds == ()

    with_controller(body, kind="threads")


def test_any_controller_will_do():
    """One that has only what the protocol asks for, of either kind."""

    class Plain:
        def __init__(self) -> None:
            self.inner = NoopController()
            self.released = threading.Event()

        def acquire(self, owner="", *, reason="", ttl=None, timeout=None):
            return self.inner.acquire(owner, reason=reason)

        def release(self, hold) -> None:
            self.inner.release(hold)
            self.released.set()

    class AsyncPlain(Plain):
        async def acquire(self, owner="", *, reason="", **_):
            return self.inner.acquire(owner, reason=reason)

    async def body() -> None:
        for controller in (Plain(), AsyncPlain()):
            seen: list[int] = []

            async def app(scope, receive, send, seen=seen, controller=controller) -> None:
                seen.append(len(controller.inner.status().holds))

            await ScaleToZeroMiddleware(app, controller)(dict(HTTP), Told().receive, Told().send)
            await until(lambda controller=controller: not controller.inner.status().holds)
            assert seen == [1]

    run(body())
