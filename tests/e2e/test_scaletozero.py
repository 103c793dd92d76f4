"""Scale to zero from outside: over HTTP, from another process, around a real recording."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.idle import Toggler
from tests.support.serving import serving
from tests.support.waiting import wait_until

from workloads.scaletozero import DebouncedController, aio
from workloads.scaletozero.asgi import ScaleToZeroMiddleware, control_app
from workloads.scaletozero.togglers import UnikraftToggler
from workloads.scaletozero.togglers.control_file import parse_reading

RECORDER = Path(__file__).parents[2] / "examples" / "recorder.py"
ELSEWHERE = """
import http.client, sys, time
port, idle = int(sys.argv[1]), float(sys.argv[2])
def post(path):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path)
    assert connection.getresponse().status == 204
    connection.close()
post("/scaletozero/disable")
print("disabled", flush=True)
time.sleep(idle)
print("idle is over", flush=True)
sys.stdin.readline()
post("/scaletozero/enable")
"""


def served(controller):
    """A service, and its control routes beside it."""
    control = control_app(controller)

    async def hello(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    service = ScaleToZeroMiddleware(hello, controller)

    async def app(scope, receive, send) -> None:
        chosen = control if scope["type"] == "lifespan" or scope["path"].startswith("/scaletozero") else service
        await chosen(scope, receive, send)

    return app


@pytest.mark.parametrize("present", [True, False], ids=["with the control file", "without it"])
@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_disable_twice_serve_enable_twice(tmp_path, kind, present):
    path = tmp_path / "control"
    if present:
        path.write_text("=3")
    toggler = UnikraftToggler(path, mode="append", journal=tmp_path / "journal")
    if kind == "threads":
        controller = DebouncedController(toggler, cooldown=0)
    else:
        controller = aio.DebouncedController(aio.to_async_toggler(toggler), cooldown=0)
    with serving(served(controller)) as server:
        for _ in range(2):
            assert server.ask("POST", "/scaletozero/disable").status == 204
            assert not present or path.read_bytes() == b"=3+"
        answer = server.ask("GET", "/page")
        assert (answer.status, answer.body) == (200, b"hello")
        assert not present or path.read_bytes() == b"=3+"
        for _ in range(2):
            assert server.ask("POST", "/scaletozero/enable").status == 204
            assert not present or path.read_bytes() == b"=3+-"
        assert server.ask("GET", "/page").status == 200
        if present:
            wait_until(lambda: path.read_bytes() == b"=3+-+-")
    assert path.exists() is present
    if kind == "threads":
        controller.close()


def test_another_process_keeps_it_awake_and_it_sleeps_once():
    """It disables, is idle for 50 cooldowns without a sleep, enables, and the workload sleeps once."""
    cooldown = 0.02
    toggler = Toggler()
    with (
        DebouncedController(toggler, cooldown=cooldown) as controller,
        serving(served(controller)) as server,
        subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(server.port), str(50 * cooldown)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"disabled\n"
        assert server.ask("GET", "/page").status == 200
        assert other.stdout.readline() == b"idle is over\n"
        assert toggler.calls == ["disable"]
        other.communicate(b"\n")
        assert other.returncode == 0
        wait_until(lambda: toggler.calls == ["disable", "enable"])
    assert toggler.calls == ["disable", "enable"]


def frames(path: Path) -> int:
    """How many pictures a recording has; an error when it is not whole."""
    asked = ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "json"]
    shown = subprocess.run(["ffprobe", *asked, str(path)], check=True, capture_output=True)
    assert shown.stderr == b""
    return int(json.loads(shown.stdout)["streams"][0]["nb_read_packets"])


@pytest.mark.needs("ffmpeg")
def test_a_recording_keeps_the_machine_awake_and_is_whole(tmp_path):
    control, target = tmp_path / "control", tmp_path / "out.mkv"
    control.write_text("=3")
    command = [sys.executable, str(RECORDER), str(target), "--control-file", str(control), "--mode", "append"]
    recording = subprocess.Popen(command)
    try:
        wait_until(lambda: target.exists() and target.stat().st_size > 0, timeout=30)
        assert parse_reading(control.read_bytes()).pending == 4
    finally:
        recording.send_signal(signal.SIGINT)
        code = recording.wait(30)
    assert code == 0
    assert parse_reading(control.read_bytes()).pending == 3
    assert frames(target) > 0


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("anyway", [False, True])
def test_a_recording_does_not_begin_when_the_machine_cannot_be_kept_awake_unless_told(tmp_path, anyway):
    control, target = tmp_path / "control", tmp_path / "out.mkv"
    control.mkdir()
    command = [sys.executable, str(RECORDER), str(target), "--control-file", str(control), "--seconds", "0.5"]
    done = subprocess.run([*command, *(["--anyway"] if anyway else [])], check=False, capture_output=True, text=True)
    assert done.returncode == (0 if anyway else 1)
    assert target.exists() is anyway
    if anyway:
        assert frames(target) > 0
    else:
        assert "nothing was recorded: sleeping could not be forbidden" in done.stderr


@pytest.mark.needs("ffmpeg")
def test_a_recording_that_ends_by_itself_releases(tmp_path):
    spec = importlib.util.spec_from_file_location("recorder", RECORDER)
    assert spec is not None
    assert spec.loader is not None
    recorder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder)
    toggler = Toggler()
    with (
        DebouncedController(toggler, cooldown=0) as controller,
        recorder.Recorder(controller, tmp_path / "out.mkv") as running,
    ):
        assert [(hold.owner, hold.reason) for hold in controller.status().holds] == [("recorder", "out.mkv")]
        running._process.kill()
        wait_until(lambda: toggler.calls == ["disable", "enable"])
