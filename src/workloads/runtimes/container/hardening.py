"""What confines a container: from a run config and its permission profile to settings of the engine. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads.config.grammars import parse_cpus, parse_memory
from workloads.errors import Problem, RunConfigError
from workloads.runtimes.container.mounts import BoundMount, bound_mounts, profile_key, writes_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workloads.config import RunConfig

__all__ = ("DEFAULT_PIDS", "SCRATCH", "Hardening", "confinement", "hardening")

DEFAULT_PIDS = 512
"""How many processes and threads a container may have whose run config does not say: no fork bomb needs more."""
SCRATCH = ("/tmp", "/run", "/var/tmp")  # noqa: S108  # paths in the container, each with a file system of its own
"""Where a server may write whose root is read-only. It is memory, and gone with the container."""

_SCRATCH_OPTIONS = "rw,exec,nosuid,nodev,size=256m,mode=1777"
_NANO = 10**9

_LIMITS = ("memory", "cpus", "pids")
_NO_LIMITS = (
    "this engine runs without root and keeps no limits; leave it out, use an engine of root, or have cgroups of "
    "version 2"
)


@attrs.frozen(kw_only=True)
class Hardening:
    """What confines one container.

    The engine's own profiles for seccomp, AppArmor and SELinux stay in force: nothing here turns one off.

    Attributes:
        privileged: Whether it has every right a container can have; the four that follow are off then.
        cap_drop: Capabilities that it does not have.
        no_new_privileges: Whether programs such as sudo gain nothing in it.
        read_only: Whether its own file system is read-only.
        scratch: Paths in it that are memory, and writable.
        mounts: What it sees of this machine.
        user: Who the server runs as; empty for the image's user.
        memory: Bytes that it may use, swap included; 0 is unlimited.
        cpus: Processors that it may use; 0 is unlimited.
        pids: Processes and threads that it may have.
        init: Whether the engine's small init is its first process, which passes signals on and reaps.
    """

    privileged: bool = False
    cap_drop: tuple[str, ...] = ("ALL",)
    no_new_privileges: bool = True
    read_only: bool = True
    scratch: tuple[str, ...] = SCRATCH
    mounts: tuple[BoundMount, ...] = ()
    user: str = ""
    memory: int = 0
    cpus: float = 0.0
    pids: int = DEFAULT_PIDS
    init: bool = False

    def host_config(self) -> dict[str, object]:
        """The ``HostConfig`` of the engine's API; what is the engine's default is left out."""
        limits: dict[str, object] = {"PidsLimit": self.pids}
        if self.memory:
            limits |= {"Memory": self.memory, "MemorySwap": self.memory}
        if self.cpus:
            limits["NanoCpus"] = round(self.cpus * _NANO)
        if self.init:
            limits["Init"] = True
        if self.mounts:
            limits["Mounts"] = [mount.request() for mount in self.mounts]
        if self.privileged:
            return {"Privileged": True, **limits}
        rights: dict[str, object] = {"CapDrop": list(self.cap_drop)}
        if self.no_new_privileges:
            rights["SecurityOpt"] = ["no-new-privileges"]
        if self.read_only:
            rights["ReadonlyRootfs"] = True
        if self.scratch:
            rights["Tmpfs"] = dict.fromkeys(self.scratch, _SCRATCH_OPTIONS)
        return rights | limits


def hardening(config: RunConfig, *, guarded: Iterable[str] = (), init: bool = False, limits: bool = True) -> Hardening:
    """What confines the containers of a workload.

    Args:
        config: What shall run.
        guarded: Paths of this machine that only a privileged server may see: the engine's socket, the state folder.
        init: Whether the engine has an init to put in front of the server.
        limits: Whether the engine keeps limits; some only take them.

    Raises:
        RunConfigError: Something is asked for that is refused; lists all of it.
    """
    confined, problems = confinement(config, guarded=guarded, init=init)
    if not limits:
        problems += [Problem(key, _NO_LIMITS) for key in _LIMITS if getattr(config, key)]
    if problems:
        raise RunConfigError(problems)
    return confined


def wants_limits(config: RunConfig) -> bool:
    """Whether a run config asks for limits, beyond those that every container has.

    Args:
        config: The run config.
    """
    return any(getattr(config, key) for key in _LIMITS)


def confinement(
    config: RunConfig, *, guarded: Iterable[str] = (), init: bool = False
) -> tuple[Hardening, list[Problem]]:
    """What confines the containers of a workload, and what is refused of what its run config asks for.

    Args:
        config: What shall run.
        guarded: As :func:`hardening` takes them.
        init: Whether the engine has an init to put in front of the server.
    """
    try:
        profile = config.effective_permission_profile
    except RunConfigError as error:  # it names a file
        return Hardening(), list(error.problems)
    mounts, problems = bound_mounts(config, profile, guarded=guarded)
    if profile.privileged and config.effective_isolate_network:
        message = "a privileged server could leave its isolated network; leave it out, or isolate_network"
        problems.append(Problem(f"{profile_key(config)}.privileged", message))
    open_root = profile.privileged or writes_root(profile)
    taken = {mount.target for mount in mounts}
    confined = Hardening(
        privileged=profile.privileged,
        cap_drop=() if profile.privileged else ("ALL",),
        no_new_privileges=not profile.privileged,
        read_only=not open_root,
        scratch=() if open_root else tuple(path for path in SCRATCH if path not in taken),
        mounts=tuple(mounts),
        user=config.user,
        memory=parse_memory(config.memory) if config.memory else 0,
        cpus=parse_cpus(config.cpus) if config.cpus else 0.0,
        pids=config.pids or DEFAULT_PIDS,
        init=init,
    )
    return confined, problems
