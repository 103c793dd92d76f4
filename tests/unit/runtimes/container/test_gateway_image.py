"""The image of the gateway: what is in it, as far as no engine is needed."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile

import pytest

from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.engine import Engine
from workloads.runtimes.container.gateway_image import archive, gateway_image, image_changes


def entries(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: entry for entry in tar}


def test_files_can_be_read_by_whoever_runs_them_and_be_written_by_nobody():
    found = entries(archive({"opt/gateway/bin/python": b"x", "opt/gateway/lib/a.pyc": b"y", "etc/nsswitch.conf": b"z"}))
    assert (found["opt/gateway/bin/python"].mode, found["opt/gateway/lib/a.pyc"].mode) == (0o755, 0o644)
    assert found["etc"].isdir()
    assert {entry.uid for name, entry in found.items() if name != "run/gateway"} == {0}
    room = found["run/gateway"]
    assert (room.uid, room.gid, room.mode) == (65532, 65532, 0o700)


def test_the_same_files_make_the_same_bytes():
    contents = {"b/c": b"1", "a": b"2"}
    assert archive(contents) == archive(dict(reversed(contents.items())))


def test_the_program_is_started_by_the_loader_as_nobody_in_particular():
    entry, *others = image_changes("d1", "ld-linux-x86-64.so.2", "3.13")
    assert entry == (
        'ENTRYPOINT ["/opt/gateway/lib/ld-linux-x86-64.so.2", "--library-path", "/opt/gateway/lib",'
        ' "/opt/gateway/bin/python3.13", "-S", "-s", "-B", "-m", "workloads.runtimes.container.gateway"]'
    )
    assert others == ["ENV PYTHONHOME=/opt/gateway", "USER 65532:65532", "LABEL workloads.gateway-image=d1"]


def test_an_image_of_the_users_own_must_be_named_by_digest():
    engine = Engine("docker", "unix:///nowhere")
    with pytest.raises(WorkloadFailedError, match=r"WORKLOADS_EGRESS_IMAGE must name an image by digest.*latest"):
        gateway_image(engine, name="a", environ={"WORKLOADS_EGRESS_IMAGE": "acme/gateway:latest"})


def test_the_program_needs_nothing_but_the_standard_library():
    told = (
        "import sys; before = set(sys.modules); sys.modules['ssl'] = None;"
        "import workloads.runtimes.container.gateway.__main__;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["workloads"]
