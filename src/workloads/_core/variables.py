"""Every environment variable that this library reads, in one place; ``docs/environment.md`` is made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "ACCESS_LOG",
    "COLIMA_SOCKET",
    "CONTAINER_HOST",
    "CONTROL_TOKEN",
    "CRASHES",
    "DEBUG",
    "DETACHED",
    "DISABLE_ENV_FALLBACK",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_SOCKET",
    "EGRESS_IMAGE",
    "HOME",
    "KUBERNETES_SERVICE_HOST",
    "PODMAN_SOCKET",
    "PRE_STOP_DELAY",
    "RUNTIME",
    "SECRET",
    "SECRETS_PASSWORD",
    "SECRETS_PROVIDER",
    "SESSION_REDIS_PASSWORD",
    "STALL_TIMEOUT",
    "TMPDIR",
    "VARIABLES",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "Variable",
)


class Variable(NamedTuple):
    """Something that is set in the environment.

    Attributes:
        names: The variables that say it. The first that is set, and not empty, wins.
        meaning: What it does, for people.
        default: What counts without it, for people.
    """

    names: tuple[str, ...]
    meaning: str
    default: str

    def source(self, environ: Mapping[str, str], suffix: str = "") -> str:
        """The name of the variable that says it; empty when none is set.

        Args:
            environ: The environment.
            suffix: What is put after the name, of variables that have many.
        """
        return next((name + suffix for name in self.names if environ.get(name + suffix)), "")

    def value(self, environ: Mapping[str, str], suffix: str = "") -> str:
        """What it is set to; empty when it is not.

        Args:
            environ: The environment.
            suffix: What is put after the name, of variables that have many.
        """
        return environ.get(self.source(environ, suffix), "")


def _ours(name: str, meaning: str, default: str) -> Variable:
    """A variable of this library, which ToolHive's of the same meaning stands in for."""
    return Variable((f"WORKLOADS_{name}", f"TOOLHIVE_{name}"), meaning, default)


RUNTIME = _ours("RUNTIME", "The runtime of new workloads, such as `process`.", "what `workloads detect` finds")
DEBUG = _ours(
    "DEBUG", "Whether the commands show debug logs: anything but `0`, `false`, `no` and `off`.", "warnings and errors"
)
PODMAN_SOCKET = _ours(
    "PODMAN_SOCKET", "The socket of Podman, which then goes before Docker.", "`CONTAINER_HOST`, else well-known places"
)
DOCKER_SOCKET = _ours("DOCKER_SOCKET", "The socket of Docker.", "`DOCKER_HOST`, else well-known places")
EGRESS_IMAGE = Variable(
    ("WORKLOADS_EGRESS_IMAGE",),
    "The image that stands between isolated servers and the world, by digest.",
    "one that is built from this interpreter",
)
COLIMA_SOCKET = _ours("COLIMA_SOCKET", "The socket of Colima.", "well-known places")
SECRETS_PROVIDER = _ours(
    "SECRETS_PROVIDER",
    "The one provider of secrets to ask: `keyring`, `encrypted` or `environment`.",
    "those that hold secrets",
)
SECRETS_PASSWORD = _ours("SECRETS_PASSWORD", "The password of the encrypted file of secrets.", "the one in the keyring")
SESSION_REDIS_PASSWORD = Variable(
    ("WORKLOADS_SESSION_REDIS_PASSWORD", "THV_SESSION_REDIS_PASSWORD"),
    "The password of the Redis that replicas share their sessions in.",
    "none",
)
CONTROL_TOKEN = Variable(
    ("WORKLOADS_CONTROL_TOKEN",),
    "What whoever asks a proxy runner at the port of `--control` must show.",
    "none: `--control` is refused",
)
ACCESS_LOG = Variable(
    ("WORKLOADS_ACCESS_LOG",),
    "Whether proxy runners log every request: anything but `0`, `false`, `no` and `off`.",
    "they do not",
)
PRE_STOP_DELAY = Variable(
    ("WORKLOADS_PRE_STOP_DELAY",),
    "Seconds for which a proxy runner that shall end is not ready, but serves, before it drains.",
    "0",
)
STALL_TIMEOUT = Variable(
    ("WORKLOADS_STALL_TIMEOUT",),
    "Seconds for which a client of a proxy runner may read nothing of its answer.",
    "120",
)
DISABLE_ENV_FALLBACK = _ours(
    "DISABLE_ENV_FALLBACK",
    "Whether secrets that the providers do not know are not looked up in the environment: `true` is yes.",
    "they are looked up",
)
SECRET = _ours("SECRET_", "The secret `<name>`, whose name is used as it is, in its case.", "the next provider")

DOCKER_HOST = Variable(("DOCKER_HOST",), "Where Docker listens.", "its context, else well-known places")
DOCKER_CONTEXT = Variable(
    ("DOCKER_CONTEXT",),
    "The Docker context, which says where Docker listens unless `DOCKER_HOST` does.",
    "the current one",
)
DOCKER_CONFIG = Variable(("DOCKER_CONFIG",), "The folder with Docker's configuration and contexts.", "`~/.docker`")
CONTAINER_HOST = Variable(
    ("CONTAINER_HOST",), "Where Podman listens, which then goes before Docker.", "well-known places"
)
KUBERNETES_SERVICE_HOST = Variable(
    ("KUBERNETES_SERVICE_HOST",), "That this is a pod: the runtime is then `kubernetes`.", "this is no pod"
)
XDG_STATE_HOME = Variable(
    ("XDG_STATE_HOME",), "The folder above the run configs, groups and runtime records.", "`~/.local/state`"
)
XDG_DATA_HOME = Variable(
    ("XDG_DATA_HOME",), "The folder above the statuses, logs and encrypted secrets.", "`~/.local/share`"
)
XDG_RUNTIME_DIR = Variable(
    ("XDG_RUNTIME_DIR",), "Where the sockets of engines that run without root are.", "`/run/user/<uid>`"
)
HOME = Variable(("HOME",), "The home folder, from which defaults are built.", "that of the user database")
TMPDIR = Variable(("TMPDIR",), "Where Podman's virtual machine on macOS has its socket.", "not looked at")

DETACHED = Variable(
    ("TOOLHIVE_DETACHED",),
    "Set by ToolHive for its proxy processes, which are known by it; only looked at in theirs.",
    "a process is known by its command line alone",
)
CRASHES = Variable(
    ("WORKLOADS_TESTING_CRASH_AT", "WORKLOADS_TESTING_CRASH_LOG", "WORKLOADS_TESTING_CRASH_WITHIN"),
    "Set by `workloads.testing.crashes` for the programs that it ends.",
    "nothing is ended",
)

VARIABLES = (
    RUNTIME, DEBUG, SECRETS_PROVIDER, SECRETS_PASSWORD, SECRET, DISABLE_ENV_FALLBACK, DOCKER_SOCKET, PODMAN_SOCKET,
    COLIMA_SOCKET, EGRESS_IMAGE, SESSION_REDIS_PASSWORD, PRE_STOP_DELAY, STALL_TIMEOUT, ACCESS_LOG, CONTROL_TOKEN,
    XDG_STATE_HOME, XDG_DATA_HOME, HOME, DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, CONTAINER_HOST, XDG_RUNTIME_DIR,
    TMPDIR, KUBERNETES_SERVICE_HOST, DETACHED, CRASHES,
)  # fmt: skip
"""All of them, in the order in which they are documented."""
