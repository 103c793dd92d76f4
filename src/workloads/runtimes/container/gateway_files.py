"""``python -m workloads.runtimes.container.gateway_files``: which files the gateway's program needs, told as JSON.

It imports the program in a process of its own and looks at what that brought: the modules, and what is mapped into the
process. So it finds the loader and every shared library wherever this system keeps them.
"""

from __future__ import annotations

import json
import socket
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

PACKAGE = "workloads.runtimes.container.gateway"
"""The package of the program."""

# What is imported by others at the moment that it is needed.
_LATE = ("encodings.idna", "encodings.ascii", "encodings.latin_1", "runpy", "traceback", "linecache", "heapq")
_NAME_SERVICE = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


def main() -> None:
    """Write ``{"executable": path, "libraries": [path, ...], "modules": {path in the image: path here}}``."""
    # asyncio goes without TLS, which the program never speaks, where it is missing: half of the libraries are its.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    for name in (f"{PACKAGE}.__main__", *_LATE):
        import_module(name)
    socket.getaddrinfo("localhost", None)
    told = {"executable": str(Path("/proc/self/exe").resolve()), "libraries": _libraries(), "modules": _modules()}
    sys.stdout.write(json.dumps(told))


def _modules() -> dict[str, str]:
    """The standard library's modules that are loaded, and the program's."""
    top = Path(sysconfig.get_path("stdlib")).resolve()
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file:
            continue
        path = Path(file).resolve()
        if name.startswith(PACKAGE):
            found[f"{PACKAGE.replace('.', '/')}/{path.name}"] = str(path)
        elif path.is_relative_to(top) and "site-packages" not in path.parts:
            found[str(path.relative_to(top))] = str(path)
    return found


def _libraries() -> list[str]:
    """The shared libraries that are loaded, and those of old systems that are loaded to look up a name."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = {fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    top = sysconfig.get_path("stdlib")
    libraries = {path for path in mapped if ".so" in Path(path).name and not path.startswith(top)}
    for folder in {Path(path).parent for path in libraries if Path(path).name.startswith("libc.")}:
        libraries |= {str(folder / name) for name in _NAME_SERVICE if (folder / name).exists()}
    return sorted(libraries)


if __name__ == "__main__":
    main()
