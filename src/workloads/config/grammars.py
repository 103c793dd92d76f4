"""The small languages inside of a run config's strings: pure parsers, which raise ``ValueError`` with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from workloads.config._messages import got
from workloads.errors import Problem, RunConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "Mount",
    "PublishedPort",
    "SecretReference",
    "check_label",
    "check_labels",
    "parse_cpus",
    "parse_label",
    "parse_memory",
    "parse_mount",
    "parse_publish",
    "parse_secret",
    "parse_user",
    "parse_volume",
)

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_MAX_PORT = 65535


class SecretReference(NamedTuple):
    """Which secret goes into which environment variable. It never holds the secret's value.

    Attributes:
        name: The secret's name.
        target: The environment variable.
    """

    name: str
    target: str


class Mount(NamedTuple):
    """A part of this machine that a server sees.

    Attributes:
        source: The path on this machine, or the resource of a URI form.
        target: The path in the container.
        read_only: Whether the server may only read it.
        scheme: The scheme of a URI form, such as ``volume``; empty for a path.
    """

    source: str
    target: str
    read_only: bool = False
    scheme: str = ""


class PublishedPort(NamedTuple):
    """A further port of a server that is reachable from outside.

    Attributes:
        host: The port on this machine; 0 takes a free one.
        container: The port in the container.
    """

    host: int
    container: int


def parse_secret(text: str) -> SecretReference:
    """Read ``<secret-name>,target=<ENV_NAME>``; the first comma splits.

    Args:
        text: A secret reference.

    Raises:
        ValueError: It has another form. The message does not repeat the text, which may be a secret by mistake.

    Example:
        >>> parse_secret("api_key,target=API_KEY")
        SecretReference(name='api_key', target='API_KEY')
    """
    name, _, rest = text.partition(",")
    key, equals, target = rest.partition("=")
    if not name or key != "target" or not equals or not target or "\n" in target:
        raise ValueError('expected "<secret-name>,target=<ENV_NAME>"')
    return SecretReference(name, target)


def parse_mount(text: str) -> Mount:
    """Read ``path`` (the same on both sides), ``host:container`` or ``scheme://resource:container``.

    Args:
        text: A mount.

    Raises:
        ValueError: It has another form or characters that a shell would interpret.

    Example:
        >>> parse_mount("/srv/notes:/data")
        Mount(source='/srv/notes', target='/data', read_only=False, scheme='')
    """
    if "\0" in text or any(character in text for character in "$&;|`"):
        raise ValueError(f"a mount may not hold NUL or any of $ & ; | `, {got(text)}")
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        scheme, rest = "", text
    source, colon, target = rest.partition(":")
    if not colon and not scheme:
        target = source
    if not source or not target or ":" in target or "\\" in target:
        raise ValueError(f'expected "path", "host:container" or "scheme://resource:container", {got(text)}')
    return Mount(source, target, scheme=scheme)


def parse_volume(text: str) -> Mount:
    """Read ``host:container`` or ``host:container:ro``.

    Args:
        text: A volume.

    Raises:
        ValueError: It has another form.

    Example:
        >>> parse_volume("/srv/notes:/data:ro")
        Mount(source='/srv/notes', target='/data', read_only=True, scheme='')
    """
    read_only = text.endswith(":ro")
    path = text.removesuffix(":ro")
    # A mount's short form without a colon only makes sense for an absolute path.
    if ":" not in path and not path.startswith("/"):
        raise ValueError(f'expected "host:container" or "host:container:ro", {got(text)}')
    return parse_mount(path)._replace(read_only=read_only)


def parse_publish(text: str) -> PublishedPort:
    """Read ``hostPort:containerPort``, or only ``containerPort`` for a free host port.

    Args:
        text: A published port.

    Raises:
        ValueError: It has another form, such as an address or a protocol, or a port is out of range.

    Example:
        >>> parse_publish("19090:9090")
        PublishedPort(host=19090, container=9090)
    """
    if (match := re.fullmatch(r"(?:([0-9]{1,5}):)?([0-9]{1,5})", text)) is not None:
        host, container = int(match[1] or 0), int(match[2])
        if host <= _MAX_PORT and 0 < container <= _MAX_PORT:
            return PublishedPort(host, container)
    raise ValueError(f'expected "hostPort:containerPort" or "containerPort", {got(text)}')


def parse_label(text: str) -> tuple[str, str]:
    """Read ``key=value`` and check both, see :func:`check_label`.

    Args:
        text: A label.

    Raises:
        ValueError: It has another form, or the key or the value is not allowed.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f'expected "key=value", {got(text)}')
    check_label(key, value)
    return key, value


def check_label(key: str, value: str) -> None:
    """Check a label by the rules of Kubernetes.

    Args:
        key: Up to 63 of ``A-Z a-z 0-9 - _ .``, beginning and ending with a letter or digit; before it perhaps a DNS
            name and ``/``, together at most 253.
        value: The same as the part of the key after ``/``, or empty.

    Raises:
        ValueError: One of them is not allowed.
    """
    prefix, slash, name = key.rpartition("/")
    domain = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    if len(key) > 253 or not _is_label_part(name) or (slash and not re.fullmatch(domain, prefix)):
        raise ValueError(
            f'not a label key by the rules of Kubernetes, such as "team" or "example.org/team": {got(key)}'
        )
    if value and not _is_label_part(value):
        raise ValueError(
            f"expected at most 63 of A-Z a-z 0-9 - _ ., beginning and ending with a letter or digit, {got(value)}"
        )


def check_labels(labels: Mapping[str, str]) -> None:
    """Check every label, see :func:`check_label`.

    Args:
        labels: Key and value of each.

    Raises:
        RunConfigError: Some are not allowed; it lists each with its key as path.
    """
    problems: list[Problem] = []
    for key, value in labels.items():
        try:
            check_label(key, value)
        except ValueError as error:
            problems.append(Problem(key, str(error)))
    if problems:
        raise RunConfigError(problems, source="labels")


def _is_label_part(text: str) -> bool:
    return re.fullmatch("[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", text) is not None


def parse_memory(text: str) -> int:
    """Read an amount of memory: a number of bytes, or with ``b``, ``k``, ``m`` or ``g`` (powers of 1024).

    Args:
        text: An amount of memory.

    Returns:
        Bytes.

    Raises:
        ValueError: It has another form, or is zero.

    Example:
        >>> parse_memory("512m")
        536870912
    """
    match = re.fullmatch("([0-9]{1,18})([bkmgBKMG]?)", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f'expected an amount of memory such as "512m" or "2g", {got(text)}')
    return int(match[1]) * _UNITS[match[2].lower()]


def parse_cpus(text: str) -> float:
    """Read a number of processors, such as ``2`` or ``0.5``.

    Args:
        text: A number of processors.

    Raises:
        ValueError: It is not a decimal number above zero.
    """
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text) is None or float(text) == 0:
        raise ValueError(f'expected a number of processors such as "2" or "0.5", {got(text)}')
    return float(text)


def parse_user(text: str) -> tuple[str, str]:
    """Read ``user`` or ``user:group``, each a number or a name.

    Args:
        text: A user.

    Returns:
        User and group; the group is empty when not given.

    Raises:
        ValueError: It has another form.
    """
    name = "[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,31}"
    if (match := re.fullmatch(f"({name})(?::({name}))?", text)) is None:
        raise ValueError(f'expected "uid", "uid:gid" or names of them, {got(text)}')
    return match[1], match[2] or ""
