"""The HTTP API, served by a real server."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from tests.support.idle import ManualClock, Toggler
from tests.support.serving import serving
from tests.support.waiting import wait_until

from workloads.scaletozero import Backoff, DebouncedController, NoopController, aio
from workloads.scaletozero.asgi import ScaleToZeroMiddleware, control_app, openapi_document


@pytest.fixture(params=["threads", "asyncio"])
def make(request):
    """Makes an application, and the controller behind it."""
    made: list[DebouncedController] = []

    def make(toggler, **options):
        options = {"cooldown": 0} | options
        if request.param == "asyncio":
            controller = aio.DebouncedController(aio.to_async_toggler(toggler), **options)
        else:
            controller = DebouncedController(toggler, **options)
            made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.close(policy="leave")


def test_both_verbs_can_be_repeated_and_the_status_shows_who(make):
    """S2Z-T64 `POST /scaletozero/disable|enable`: 204 both, idempotent; `GET /scaletozero` shows holders."""
    toggler = Toggler()
    with serving(control_app(make(toggler))) as server:
        for _ in range(2):
            answer = server.ask("POST", "/scaletozero/disable?name=recorder&ttl=60")
            assert (answer.status, answer.body) == (204, b"")
        status = server.ask("GET", "/scaletozero")
        assert status.headers["content-type"] == "application/json"
        assert status.headers["cache-control"] == "no-store"
        (disable,) = status.json()["disables"]
        assert disable["name"] == "recorder"
        assert 0 < disable["expires_in"] <= 60
        for _ in range(2):
            assert server.ask("POST", "/scaletozero/enable?name=recorder").status == 204
        assert toggler.calls == ["disable", "enable"]


def test_a_toggle_that_fails_for_real_is_told(make):
    """S2Z-T64 ... 5xx with problem body when the toggler fails *for real* (route excluded from the hold middleware)."""
    toggler = Toggler()
    toggler.plan("disable", OSError("the disk of the machine"))
    toggler.plan("enable", OSError("the disk of the machine"))
    controller = make(toggler, backoff=Backoff(first=60), clock=ManualClock())
    with serving(ScaleToZeroMiddleware(control_app(controller), controller)) as server:
        for verb in ("disable", "enable"):
            if verb == "enable":
                assert server.ask("POST", "/scaletozero/disable").status == 204
            answer = server.ask("POST", f"/scaletozero/{verb}")
            assert answer.status == 500
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() == {
                "type": "about:blank",
                "title": "Internal Server Error",
                "status": 500,
                "detail": "This could not be done now. It can be repeated.",
            }
        assert server.ask("GET", "/scaletozero").json()["owed"]["verb"] == "enable"
        assert server.ask("POST", "/scaletozero/enable").status == 204
        assert toggler.calls == ["disable", "disable", "enable", "enable"]


def test_what_nobody_has_thought_of_is_a_problem_too():
    class Broken(NoopController):
        def status(self):
            raise ZeroDivisionError

    with Broken() as controller, serving(control_app(controller)) as server:
        answer = server.ask("GET", "/scaletozero")
        assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "division" not in answer.body.decode()


def test_a_token_is_asked_for(make):
    """S2Z-T64 ... 401/403 without token."""
    toggler = Toggler()
    with serving(control_app(make(toggler), token="let me in")) as server:
        for method, path in (("POST", "/disable"), ("POST", "/enable"), ("GET", "")):
            for sent in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic let me in"}):
                answer = server.ask(method, f"/scaletozero{path}", sent)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            status = server.ask(method, f"/scaletozero{path}", {"Authorization": "bearer let me in"}).status
            assert status == (200 if method == "GET" else 204)
        assert server.ask("GET", "/scaletozero/openapi.json").json() == openapi_document()
    with pytest.raises(ValueError, match="an empty token lets nobody in"):
        control_app(NoopController(), token="")


@pytest.mark.parametrize(
    ("method", "target", "headers", "status", "errors"),
    [
        ("GET", "/scaletozero/disable", {}, 405, None),
        ("GET", "/scaletozero/enable", {}, 405, None),
        ("POST", "/scaletozero", {}, 405, None),
        ("GET", "/", {}, 404, None),
        ("POST", "/scaletozero/disable", {"Sec-Fetch-Site": "cross-site"}, 403, None),
        ("POST", "/scaletozero/disable?name=a%20b&ttl=-1&x=1", {}, 400, ["x", "name", "ttl"]),
        ("POST", "/scaletozero/disable?ttl=nan", {}, 400, ["ttl"]),
        ("POST", "/scaletozero/disable?ttl=1e999", {}, 400, ["ttl"]),
        ("POST", "/scaletozero/disable?name=a&name=b", {}, 400, ["name"]),
        ("POST", "/scaletozero/disable?name=", {}, 400, ["name"]),
        ("POST", "/scaletozero/disable?name=%FF", {}, 400, ["name"]),
        ("POST", "/scaletozero/enable?ttl=5", {}, 400, ["ttl"]),
        ("GET", "/scaletozero?verbose=1", {}, 400, ["verbose"]),
    ],
)
def test_what_cannot_be_is_refused_with_every_reason(method, target, headers, status, errors):
    """S2Z-T64 ... 405 on GET."""
    with NoopController() as controller, serving(control_app(controller)) as server:
        answer = server.ask(method, target, headers)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        if status == 405:
            assert answer.headers["allow"] == ("POST" if method == "GET" else "GET")
        if errors is not None:
            assert [error.partition(":")[0] for error in answer.json()["errors"]] == errors
        assert controller.status().disables == ()


def test_a_client_that_goes_ends_the_hold_of_its_stream(make):
    """S2Z-T58 ... streaming/SSE holds for the whole stream; released on client disconnect."""
    toggler = Toggler()
    controller = make(toggler)

    async def app(scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await control_app(controller)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    with serving(ScaleToZeroMiddleware(app, controller)) as server:
        connection = server.connect()
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.read1() == b"data: 1\n\n"
        assert toggler.calls == ["disable"]
        response.close()
        connection.close()
        wait_until(lambda: toggler.calls == ["disable", "enable"])


def test_too_many_names_are_a_conflict(make):
    """S2Z-T27 ... cap reached → 409; late DELETE of an expired lease → 204, no effect."""
    with serving(control_app(make(Toggler(), max_disables=1))) as server:
        assert server.ask("POST", "/scaletozero/disable?name=a").status == 204
        assert server.ask("POST", "/scaletozero/disable?name=b").status == 409
        assert server.ask("POST", "/scaletozero/enable?name=gone").status == 204


def test_it_listens_on_a_unix_socket_too(tmp_path):
    with NoopController() as controller, serving(control_app(controller), tmp_path / "s") as server:
        assert server.ask("POST", "/scaletozero/disable").status == 204
        assert [each.name for each in controller.status().disables] == ["default"]


def test_it_can_be_mounted_below_a_path():
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with NoopController() as controller:
        app = Starlette(routes=[Mount("/machine", control_app(controller))])
        with serving(ScaleToZeroMiddleware(app, controller)) as server:
            assert server.ask("POST", "/machine/scaletozero/disable").status == 204
            assert server.ask("GET", "/machine/scaletozero").json()["disables"][0]["name"] == "default"


def test_the_description_says_what_each_call_does_for_the_caller():
    document = openapi_document()
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    assert set(operations) == {"disableScaleToZero", "enableScaleToZero", "getScaleToZero"}
    assert "enableScaleToZero" in operations["disableScaleToZero"]["description"]
    assert "disableScaleToZero" in operations["enableScaleToZero"]["description"]
    for operation in operations.values():
        text = operation["summary"] + operation["description"]
        for inside in ("controller", "toggler", "hold", "refcount", "thread", "file", "counter"):
            assert inside not in text.lower(), (operation["operationId"], inside)


@pytest.mark.parametrize("token", [None, "secret"], ids=["open", "with a token"])
def test_it_does_what_its_description_says(token):
    """Whatever is asked, of the kind described or not, the answer is one that is described."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with NoopController() as controller, serving(control_app(controller, token=token)) as server:
        for found in schemathesis.openapi.from_dict(openapi_document()).get_all_operations():
            operation = found.ok()
            # What takes no parameters cannot be given wrong ones.
            for mode in GenerationMode if operation.query else [GenerationMode.POSITIVE]:

                @settings(max_examples=30, suppress_health_check=list(HealthCheck), database=None)
                @given(case=operation.as_strategy(generation_mode=mode))
                def check(case) -> None:
                    case.call_and_validate(base_url=server.url, headers=headers)

                check()
