"""What the verbs for secrets have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from workloads.errors import WorkloadNotFoundError, WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads.cli.invocation import Invocation
    from workloads.manager import WorkloadReader
    from workloads.secrets import SecretProvider

__all__ = ("Entry", "Usage", "entries", "providers", "read_value", "usage", "writers")

# More than any secret may have, so that the rule about that is what is told.
_LONGEST_INPUT = 1024 * 1024


class Usage(NamedTuple):
    """Which workloads refer to which secrets.

    Attributes:
        workloads: The workloads by secret.
        unknown: Workloads of which it is not known, with the reason.
    """

    workloads: Mapping[str, Sequence[str]]
    unknown: Mapping[str, WorkloadsError]


class Entry(NamedTuple):
    """One line of the list of secrets.

    Attributes:
        name: The secret.
        provider: Who knows it; empty when nobody does.
        workloads: The workloads that refer to it.
    """

    name: str
    provider: str
    workloads: Sequence[str]


def providers(invocation: Invocation, name: str | None) -> list[SecretProvider]:
    """The providers of secrets that a verb works on: the one named, else those that workloads are given secrets from.

    Args:
        invocation: The global options.
        name: The provider that was asked for, if one was.

    Raises:
        SecretProviderNotFoundError: The environment names one that does not exist.
    """
    from workloads._core.paths import Paths
    from workloads.secrets import chosen_providers, open_provider

    paths = Paths.locate(state_dir=invocation.state_dir)
    return chosen_providers(paths) if name is None else [open_provider(name, paths)]


def writers(found: Sequence[SecretProvider]) -> list[SecretProvider]:
    """Those providers that can write.

    Args:
        found: The providers.

    Raises:
        click.UsageError: There is none among them, and so a choice to make.
    """
    able = [provider for provider in found if provider.can_write]
    if not able:
        raise click.UsageError(
            "the environment cannot be written: --provider keyring keeps secrets in the keyring of this machine, "
            "--provider encrypted in a file under a password"
        )
    return able


def read_value(name: str) -> str:
    """The value of a secret, asked for on a terminal without showing it, else all of standard input.

    One line end at the end is not a part of it.

    Args:
        name: The secret.

    Raises:
        click.UsageError: There is no standard input, or it is no text.
    """
    if sys.stdin is None:
        raise click.UsageError("give the value on standard input")
    if sys.stdin.isatty():
        value: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return value
    data = sys.stdin.buffer.read(_LONGEST_INPUT)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        problem = click.UsageError("the value must be text in UTF-8")
    else:
        return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")
    # Not raised above: the decoder's error holds the value.
    raise problem


def usage(manager: WorkloadReader) -> Usage:
    """Which workloads refer to which secrets.

    Args:
        manager: Who knows the workloads.
    """
    from workloads.secrets import secret_names_used_by

    users: dict[str, list[str]] = {}
    unknown: dict[str, WorkloadsError] = {}
    for workload in manager.list_workloads(all=True):
        try:
            config = manager.get_run_config(workload.name)
        except WorkloadNotFoundError:
            continue  # removed meanwhile
        except WorkloadsError as error:
            unknown[workload.name] = error
            continue
        for secret in secret_names_used_by(config):
            users.setdefault(secret, []).append(workload.name)
    return Usage(users, unknown)


def entries(found: Sequence[SecretProvider], used: Mapping[str, Sequence[str]]) -> list[Entry]:
    """The secrets that providers list, and those that workloads refer to, sorted.

    A secret that several providers know is that of the first, as it is for workloads.

    Args:
        found: The providers, in the order in which they are asked.
        used: The workloads by secret.
    """
    from workloads.secrets import is_reserved

    places: dict[str, str] = {}
    for provider in found:
        listed = provider.names() if provider.can_list else []
        # Nobody lists the environment, but what workloads need can be looked up in it.
        asked = [name for name in used if name not in listed and provider.get(name) is not None]
        for name in (*listed, *asked):
            places.setdefault(name, provider.name)
    return [
        Entry(name, places.get(name, ""), used.get(name, ()))
        for name in sorted({*places, *used})
        if not is_reserved(name)
    ]
