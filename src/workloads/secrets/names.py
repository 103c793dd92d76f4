"""Which names and values secrets can have. Pure: no I/O."""

from __future__ import annotations

from workloads.errors import InvalidNameError, InvalidSecretError

__all__ = ("check_secret_name", "check_secret_value", "is_reserved", "refuse_reserved")

# What ToolHive, and this library, keep for themselves beside the secrets of users.
_RESERVED = ("__thv_", "__workloads_")
_LONGEST_NAME = 255
# Linux passes at most 128 KiB as one variable, its name included.
_LONGEST_VALUE = 120 * 1024


def is_reserved(name: str) -> bool:
    """Whether a name is that of an internal secret, which users neither see nor change.

    Args:
        name: The name.
    """
    return name.startswith(_RESERVED)


def refuse_reserved(name: str) -> None:
    """Check that a name is not that of an internal secret.

    Args:
        name: The name.

    Raises:
        InvalidNameError: It is.
    """
    if is_reserved(name):
        raise InvalidNameError(name, f"names that begin with {' or '.join(_RESERVED)} are internal", kind="secret")


def check_secret_name(name: str) -> None:
    """Check that a secret can be kept under a name, and that a run config can refer to it.

    Args:
        name: The name: 1 to 255 printable characters without a comma.

    Raises:
        InvalidNameError: It cannot.
    """
    refuse_reserved(name)
    if not name:
        raise InvalidNameError(name, "it is empty", kind="secret")
    if len(name) > _LONGEST_NAME:
        rule = f"it has {len(name)} characters, at most {_LONGEST_NAME} are allowed"
        raise InvalidNameError(name[:_LONGEST_NAME] + "…", rule, kind="secret")
    if "," in name or not name.isprintable():
        raise InvalidNameError(name, "a comma and control characters are not allowed", kind="secret")


def check_secret_value(name: str, value: str) -> None:
    """Check that a value can reach a server, in one environment variable.

    Args:
        name: The secret, for the error.
        value: Its value.

    Raises:
        InvalidSecretError: It cannot; the error does not hold it.
    """
    rule = _broken_rule(value)
    if rule:
        raise InvalidSecretError(name, rule)


def _broken_rule(value: str) -> str:
    if not value:
        return "it is empty"
    if "\0" in value:
        return "it holds a NUL character, which no environment variable can"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "it is not Unicode text"
    return f"it has {size} bytes, at most {_LONGEST_VALUE} are allowed" if size > _LONGEST_VALUE else ""
