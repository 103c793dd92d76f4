"""Which files of this machine a container sees: what a run config asks for, checked. Nothing is changed here."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import attrs

from workloads.config.grammars import parse_mount, parse_volume
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workloads.config import Mount, PermissionProfile, RunConfig

__all__ = ("KERNEL_FOLDERS", "ROOT", "BoundMount", "bound_mounts", "profile_key", "writes_root")

ROOT = "container"
"""The scheme of a mount that stands for the container's own file system: ``container://rootfs:/`` makes it writable."""

_VOLUME = "volume"
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")
"""Where the kernel shows itself: neither side of a mount."""


@attrs.frozen
class BoundMount:
    """One mount of a container.

    Attributes:
        source: The absolute path on this machine, without symlinks, or the name of a volume.
        target: The absolute path in the container.
        read_only: Whether the server may only read it.
        volume: Whether the source is a volume of the engine.
    """

    source: str
    target: str
    read_only: bool
    volume: bool = False

    def request(self) -> dict[str, object]:
        """The mount as the engine's API takes it. A path that does not exist is an error there, never made."""
        kind = {"Type": "volume"} if self.volume else {"Type": "bind", "BindOptions": {"Propagation": "rprivate"}}
        return {**kind, "Source": self.source, "Target": self.target, "ReadOnly": self.read_only}


def profile_key(config: RunConfig) -> str:
    """The key under which a run config has its permission profile."""
    return "permission_profile" if config.permission_profile is not None else "permission_profile_name_or_path"


def writes_root(profile: PermissionProfile) -> bool:
    """Whether a profile lets the server write the container's own file system."""
    return any(mount.scheme == ROOT and mount.target == "/" for mount in map(parse_mount, profile.write))


def bound_mounts(
    config: RunConfig,
    profile: PermissionProfile,
    *,
    guarded: Iterable[str] = (),
    resolve: Callable[[str], str] = posixpath.realpath,
) -> tuple[list[BoundMount], list[Problem]]:
    """The mounts of a run config, those of its profile first. A further mount on the same target is left out.

    Args:
        config: What shall run.
        profile: Its permission profile.
        guarded: Paths that only a privileged server may see, such as the engine's socket and the state folder.
        resolve: Makes a path absolute, without ``..`` and symlinks.

    Returns:
        The mounts, and what is wrong with them.
    """
    mounts: dict[str, BoundMount] = {}
    problems: list[Problem] = []
    refused = () if profile.privileged else (*KERNEL_FOLDERS, *map(resolve, guarded))
    for path, mount in _listed(config, profile):
        if mount.scheme == ROOT and (mount.target, mount.read_only) == ("/", False):
            continue  # not a mount: see writes_root
        target = posixpath.normpath("/" + mount.target.lstrip("/")) if mount.target.startswith("/") else ""
        if reason := _wrong(mount, target, resolve, refused):
            problems.append(Problem(path, reason))
        elif target not in mounts:
            source = mount.source if mount.scheme else resolve(mount.source)
            mounts[target] = BoundMount(source, target, mount.read_only, volume=mount.scheme == _VOLUME)
    return list(mounts.values()), problems


def _listed(config: RunConfig, profile: PermissionProfile) -> Iterator[tuple[str, Mount]]:
    key = profile_key(config)
    for index, text in enumerate(profile.read):
        yield f"{key}.read[{index}]", parse_mount(text)._replace(read_only=True)
    for index, text in enumerate(profile.write):
        yield f"{key}.write[{index}]", parse_mount(text)
    for index, text in enumerate(config.volumes):
        yield f"volumes[{index}]", parse_volume(text)


def _wrong(mount: Mount, target: str, resolve: Callable[[str], str], refused: Iterable[str]) -> str:
    """What is wrong with a mount; empty when nothing is."""
    if not target:
        return f"the path in the container must be absolute, got {mount.target!r}"
    if target == "/" or any(_within(target, kernel) for kernel in KERNEL_FOLDERS):
        return f"{target} of the container cannot be mounted on; choose a folder of its own"
    if mount.scheme == _VOLUME:
        return "" if "/" not in mount.source else f"a volume has a name without slashes, got {mount.source!r}"
    if mount.scheme:
        return f"{mount.scheme}:// is unknown; use a path, {_VOLUME}://NAME:/PATH, or {ROOT}://rootfs:/ to write"
    if not mount.source.startswith("/"):
        return f"the path on this machine must be absolute, got {mount.source!r}; or use {_VOLUME}://NAME:/PATH"
    try:
        source = resolve(mount.source)
    except OSError as error:  # such as a link in /proc of somebody else's process
        return f"{mount.source} cannot be looked up: {error.strerror}"
    for path in refused:
        # A folder shows what is in it: the one above is no better.
        if _within(source, path) or _within(path, source):
            return f"{source} would give the server rights over this machine ({path}); mount a folder apart from it"
    return ""


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
