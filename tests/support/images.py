"""Images that are made here, for no registry can be reached: one with busybox, one with the Python of these tests."""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SERVERS = Path(__file__).parents[1] / "servers"
_PACKAGES = ("workloads", "mcp", "fastmcp")
_UNUSED = frozenset({"site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"})
_KEPT = 2

_ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
# As process 1 of a container these end on SIGTERM; busybox programs alone would not.
_SCRIPTS = {
    "bin/idle": "#!/bin/sh\ntrap 'exit 0' TERM INT\nsleep 86400 &\nwait\n",
    "bin/web": "#!/bin/sh\ntrap 'exit 0' TERM INT\nhttpd -f -p ${1:-${MCP_PORT:-8080}} -h /www &\nwait\n",
}


@dataclass
class Image:
    """An image to load.

    Attributes:
        name: Its name and tag.
        tar: Its root file system.
        changes: What the image says besides.
    """

    name: str
    tar: Path | bytes
    changes: tuple[str, ...]


def load(client: Any, image: Image) -> None:
    """Load an image into an engine, unless it is there.

    Args:
        client: A low-level client of the engine.
        image: The image.
    """
    if client.images(name=image.name):
        return
    source = io.BytesIO(image.tar) if isinstance(image.tar, bytes) else image.tar.open("rb")
    repository, _, tag = image.name.rpartition(":")
    with source:
        answer = client.import_image(src=source, repository=repository, changes=list(image.changes))
    last = json.loads(answer.splitlines()[-1])
    assert "error" not in last, f"{image.name} cannot be imported: {last}"
    client.tag(last["status"], repository, tag)  # Podman 4.3 ignores the tag above
    client.remove_image(f"{repository}:latest", noprune=True)


def busybox() -> Image:
    """2 MB: ``sh``, ``httpd``, ``nc``, ``sleep`` and the like.

    It idles (``idle``) until SIGTERM; ``web [PORT]`` serves ``/www``, by default on ``MCP_PORT`` or 8080.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tree = _Tree(tar)
        _add_busybox(tree)
        tree.text("www/index.html", "ok\n")
    return Image("localhost/workloads-busybox:1", data.getvalue(), ('CMD ["idle"]', "ENV PATH=/bin"))


def python() -> Image:
    """This interpreter, its shared libraries, and this package's and ``mcp``'s and ``fastmcp``'s dependencies.

    The tests' servers are in ``/servers``. The file is kept in a cache folder, under a name made of what is in it.
    """
    packages = {_key(each.name): each for name in _PACKAGES for each in _closure(name)}
    packages.pop("workloads")
    about = [sys.version, str(_program()), *sorted(f"{name} {each.version}" for name, each in packages.items())]
    about += [f"{path.name} {path.read_text()}" for path in sorted(_SERVERS.glob("*.py"))]
    about += [Path(__file__).read_text()]
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "workloads-tests")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"python-{digest}.tar"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = path.with_suffix(".new")
            with tarfile.open(unfinished, "w") as tar:
                _add_python(_Tree(tar), packages.values())
            unfinished.rename(path)
            others = sorted(folder.glob("python-*.tar"), key=lambda each: each.stat().st_mtime)
            for old in others[:-_KEPT]:
                old.unlink()
    return Image(
        f"localhost/workloads-python:{digest}",
        path,
        ('CMD ["idle"]', "ENV PATH=/bin", "ENV PYTHONPATH=/packages", "ENV PYTHONUNBUFFERED=1"),
    )


def _add_python(tree: _Tree, packages: Iterable[metadata.Distribution]) -> None:
    _add_busybox(tree)
    program = _program()
    files = {str(program).lstrip("/"): program}
    for name in ("stdlib", "platstdlib"):
        top = Path(sysconfig.get_path(name))
        files |= {str(path).lstrip("/"): path for path in _library(top)}
    for package in packages:
        for each in package.files or ():
            path = Path(str(package.locate_file(each)))
            if ".." not in each.parts and path.is_file():
                files[f"packages/{each}"] = path
    for name, path in list(files.items()):
        if name.startswith("packages/") and path.suffix == ".py":
            compileall.compile_file(path, quiet=2)
            compiled = Path(util.cache_from_source(str(path)))
            files[str(Path(name).parent / "__pycache__" / compiled.name)] = compiled
    files |= {f"servers/{path.name}": path for path in _SERVERS.glob("*.py")}
    binaries = [path for path in files.values() if path == program or ".so" in path.suffixes]
    files |= {str(path).lstrip("/"): path for path in _libraries(binaries)}
    for name, path in sorted(files.items()):
        tree.file(name, path)
    for link in ("python", "python3"):
        tree.link(f"bin/{link}", str(program))


def _program() -> Path:
    """The interpreter itself, for that of a virtual environment is a link to it."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _library(top: Path) -> Iterator[Path]:
    """The files of the standard library that servers may need."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in _UNUSED and not name.startswith("config-")]
        yield from (Path(folder, name) for name in names if not name.endswith((".a", ".opt-1.pyc", ".opt-2.pyc")))


def _libraries(binaries: list[Path]) -> set[Path]:
    """The shared libraries that these need, and the loader."""
    told = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True).stdout
    found = re.findall(r"(?:=> |^\t)(/\S+) \(0x", told, re.MULTILINE)
    return {Path(name) for name in found}


def _closure(name: str, extras: Iterable[str] = (), seen: set[str] | None = None) -> Iterator[metadata.Distribution]:
    """A package and what it needs here, with these extras."""
    from packaging.requirements import Requirement

    seen = set() if seen is None else seen
    wish = f"{_key(name)}{sorted(extras)}"
    if wish in seen:
        return
    seen.add(wish)
    package = metadata.distribution(name)
    yield package
    for text in package.requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield from _closure(wanted.name, wanted.extras, seen)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _add_busybox(tree: _Tree) -> None:
    program = shutil.which("busybox")
    assert program is not None, "install the package busybox-static"
    for folder in ("etc", "proc", "sys", "dev", "root"):
        tree.folder(folder)
    tree.folder("tmp", 0o1777)
    tree.file("bin/busybox", Path(program))
    for name in subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if name != "busybox":
            tree.link(f"bin/{name}", "busybox")
    for name, text in _ACCOUNTS.items():
        tree.text(name, text)
    for name, text in _SCRIPTS.items():
        tree.text(name, text, 0o755)


class _Tree:
    """A root file system in the making, which is the same for whoever made it and open to whoever runs it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar, self._folders = tar, {"."}

    def folder(self, name: str, mode: int = 0o755) -> None:
        if name not in self._folders:
            self._folders.add(name)
            self._add(name, tarfile.DIRTYPE, mode=mode)

    def link(self, name: str, target: str) -> None:
        self._add(name, tarfile.SYMTYPE, linkname=target)

    def text(self, name: str, text: str, mode: int = 0o644) -> None:
        data = text.encode()
        self._add(name, tarfile.REGTYPE, io.BytesIO(data), size=len(data), mode=mode)

    def file(self, name: str, path: Path) -> None:
        about = path.stat()
        mode = 0o755 if about.st_mode & 0o100 else 0o644
        with path.open("rb") as file:
            # Python takes what it compiled only for a source of the same time.
            self._add(name, tarfile.REGTYPE, file, size=about.st_size, mode=mode, mtime=int(about.st_mtime))

    def _add(self, name: str, kind: bytes, data: Any = None, **about: Any) -> None:
        for parent in reversed(Path(name).parents):
            self.folder(str(parent))
        info = tarfile.TarInfo(name)
        info.type = kind
        for key, value in about.items():
            setattr(info, key, value)
        self._tar.addfile(info, data)
