"""The image in which the gateway's program runs: built here from the interpreter of this process, once for an engine.

So it needs no registry, and nobody depends on what a tag means today. It holds the interpreter, the compiled modules of
the standard library that the program imports, and the program: no shell, and nothing else that could be run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import marshal
import os
import platform
import re
import subprocess
import sys
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from workloads._core.variables import EGRESS_IMAGE
from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.gateway.settings import FOLDER
from workloads.runtimes.container.gateway_files import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from workloads.runtimes.container.engine import Engine

__all__ = ("archive", "gateway_image", "image_changes")

_TOP = "/opt/gateway"
_USER = 65532
_REPOSITORY = "localhost/workloads-gateway"
_LABEL = "workloads.gateway-image"
_FORM = 1  # of the image; counts up when it is put together in another way
_LOADER = re.compile(r"ld(-|64|\.so)")
_PROBE_TIMEOUT = 60.0
_ALIASES = {"x86_64": "amd64", "aarch64": "arm64"}


def gateway_image(engine: Engine, *, name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The image, built or fetched when the engine does not have it.

    Args:
        engine: Where it is needed.
        name: The workload that it is for.
        environ: Where ``WORKLOADS_EGRESS_IMAGE`` is looked up: an image to take instead.

    Returns:
        Its id, or the reference that the variable has.

    Raises:
        WorkloadFailedError: It cannot be built or fetched, or the variable has no reference with a digest.
        RuntimeUnavailableError: The engine does not answer.
    """
    if own := EGRESS_IMAGE.value(environ):
        from workloads.runtimes.container.images import ensure_image

        if "@sha256:" not in own:
            source = EGRESS_IMAGE.source(environ)
            raise WorkloadFailedError(name, f"{source} must name an image by digest (NAME@sha256:...), got {own!r}")
        ensure_image(engine, own, name=name)
        return own
    digest = _recipe()
    return _found(engine, digest, name) or _built(engine, digest, name)


def image_changes(digest: str, loader: str, version: str) -> list[str]:
    """What the image says besides its files: how the program is started, and as whom. Pure.

    Args:
        digest: What it is made from.
        loader: The file name of the loader.
        version: The interpreter's, such as ``3.13``.
    """
    words = [f"{_TOP}/lib/{loader}", "--library-path", f"{_TOP}/lib", f"{_TOP}/bin/python{version}"]
    return [
        f"ENTRYPOINT {json.dumps([*words, '-S', '-s', '-B', '-m', PACKAGE])}",
        f"ENV PYTHONHOME={_TOP}",
        f"USER {_USER}:{_USER}",
        f"LABEL {_LABEL}={digest}",
    ]


def archive(contents: Mapping[str, bytes]) -> bytes:
    """The root file system of the image; the same bytes for the same files.

    Args:
        contents: Path and content of each file, relative to the root; the loader's and interpreter's can be run.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folders = {str(parent) for path in contents for parent in Path(path).parents} - {"."}
        for folder in sorted({*folders, "run", "proc", "sys", "dev", "tmp"}):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
        room = _entry(FOLDER.lstrip("/"), tarfile.DIRTYPE, 0o700)
        room.uid = room.gid = _USER  # a new volume takes its owner from here
        tar.addfile(room)
        for path, content in sorted(contents.items()):
            entry = _entry(path, tarfile.REGTYPE, 0o644 if path.endswith((".pyc", ".conf")) else 0o755)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    return entry


def _recipe() -> str:
    """What the image is made from, as a digest: the program, the interpreter's version and kind."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in files(PACKAGE).iterdir() if path.is_file()}
    made_from = [_FORM, sys.version, platform.machine(), sorted(sources.items())]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _found(engine: Engine, digest: str, name: str) -> str:
    with engine.client("cannot look for the image of its gateway", name=name) as client:
        images = client.images(filters={"label": f"{_LABEL}={digest}"})
    # Who builds at the same time may have made another one: everybody takes the same.
    return min(((image["Created"], str(image["Id"])) for image in images), default=(0, ""))[1]


def _built(engine: Engine, digest: str, name: str) -> str:
    doing = "cannot build the image of its gateway"
    with engine.client(doing, name=name) as client:
        machine = str(client.version().get("Arch", ""))
        if sys.platform != "linux" or machine not in (platform.machine(), _ALIASES.get(platform.machine())):
            remedy = "name one that others built by WORKLOADS_EGRESS_IMAGE"
            raise WorkloadFailedError(
                name, f"{doing}: this interpreter ({sys.platform}, {platform.machine()}) does not run there; {remedy}"
            )
        told = _told(name, doing)
        loader = next(path for path in told["libraries"] if _LOADER.match(Path(path).name))
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        answer = client.import_image(
            src=io.BytesIO(archive(dict(_contents(told, version)))),
            repository=_REPOSITORY,
            tag=digest[:16],
            changes=image_changes(digest, Path(loader).name, version),
        )
        last = json.loads(answer.splitlines()[-1])
        if "error" in last:
            raise WorkloadFailedError(name, f"{doing}: {last['error']}")
        client.tag(str(last["status"]), _REPOSITORY, digest[:16])  # Podman 4.3 takes no heed of the tag above
    return _found(engine, digest, name)


def _told(name: str, doing: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "workloads.runtimes.container.gateway_files"]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WorkloadFailedError(name, f"{doing}: its files cannot be found out: {error}") from error
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _contents(told: Mapping[str, Any], version: str) -> Iterator[tuple[str, bytes]]:
    top = _TOP.lstrip("/")
    yield "etc/nsswitch.conf", b"hosts: files dns\n"
    yield f"{top}/bin/python{version}", Path(told["executable"]).read_bytes()
    for library in told["libraries"]:
        yield f"{top}/lib/{Path(library).name}", Path(library).read_bytes()
    modules: dict[str, str] = told["modules"]
    packages = {str(parent) for path in modules for parent in Path(path).parents} - {".", "lib-dynload"}
    for path in sorted({*modules, *(f"{package}/__init__.py" for package in packages)}):
        # Packages of this library above the program are there for their names only.
        content = Path(modules[path]).read_bytes() if path in modules else b""
        place = f"{top}/lib/python{version}/{path}"
        yield (f"{place}c", _compiled(content, place)) if path.endswith(".py") else (place, content)


def _compiled(source: bytes, place: str) -> bytes:
    """A module that is loaded without its source, and without a look at times."""
    code = marshal.dumps(compile(source, f"/{place}", "exec", dont_inherit=True))
    unchecked = (1).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source) + code
