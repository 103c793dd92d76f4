"""Which names are allowed for workloads and groups."""

from __future__ import annotations

import re

from workloads.errors import InvalidNameError

__all__ = ("check_group_name", "check_portable_name", "check_workload_name", "sanitize_name")

_LONGEST = 100
_LONGEST_PORTABLE = 50
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_PORTABLE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_GROUP = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_- \t\n\f\r")
_SPACE = " \t\n\f\r"


def check_workload_name(name: str) -> None:
    """Check the name of a workload: 1 to 100 of ``A-Z a-z 0-9 . _ -``, and nothing that could leave a folder.

    Args:
        name: The name to check.

    Raises:
        InvalidNameError: It is not allowed; its ``rule`` says why.
    """
    if not name:
        raise InvalidNameError(name, "it is empty")
    if len(name) > _LONGEST:
        raise InvalidNameError(name[:_LONGEST] + "…", f"it has {len(name)} characters, at most {_LONGEST} are allowed")
    if not _ALPHABET.issuperset(name):
        raise InvalidNameError(name, "only letters, digits, '.', '_' and '-' are allowed")
    # "." is a folder, and file names are made from names.
    if name == "." or name.startswith(".."):
        raise InvalidNameError(name, "it may not be '.' or start with '..'")


def check_portable_name(name: str) -> None:
    """Check that a workload's name works on every runtime: 1 to 50 of ``a-z 0-9 -``.

    Args:
        name: The name to check.

    Raises:
        InvalidNameError: It does not.
    """
    if not (0 < len(name) <= _LONGEST_PORTABLE and _PORTABLE.issuperset(name)):
        raise InvalidNameError(
            name[:_LONGEST], f"a name that works everywhere has 1 to {_LONGEST_PORTABLE} of a-z, 0-9 and '-'"
        )


def check_group_name(group: str) -> None:
    """Check the name of a group: ``a-z 0-9 _ -`` and single spaces inside.

    Args:
        group: The name to check.

    Raises:
        InvalidNameError: It is not allowed.
    """
    if not group:
        raise InvalidNameError(group, "it is empty", kind="group")
    if not _GROUP.issuperset(group):
        raise InvalidNameError(group, "only a-z, 0-9, '_', '-' and spaces are allowed", kind="group")
    if group != group.strip(_SPACE):
        raise InvalidNameError(group, "it may not begin or end with a space", kind="group")
    if "  " in group:
        raise InvalidNameError(group, "it may not have two spaces in a row", kind="group")


def sanitize_name(name: str) -> str:
    """The nearest allowed workload name: bad characters become ``-``, and it is cut to 100.

    Args:
        name: Any text that is not empty.

    Raises:
        InvalidNameError: It is empty.

    Example:
        >>> sanitize_name("My server!")
        'My-server-'
    """
    safe = re.sub(r"[^a-zA-Z0-9._-]", "-", name[:_LONGEST])
    # Leading dots that would name a folder.
    safe = re.sub(r"^(\.\.+|\.$)", lambda dots: "-" * len(dots[0]), safe)
    check_workload_name(safe)
    return safe
