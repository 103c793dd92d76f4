"""The network of a container: which one a run config means, and the bridge that this library manages."""

from __future__ import annotations

import random
import time
from threading import Lock
from typing import TYPE_CHECKING

from workloads.runtimes.container.labels import Keys

if TYPE_CHECKING:
    from docker import APIClient

    from workloads.config import RunConfig
    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.protocol import Owner

__all__ = ("MANAGED", "ensure_network", "is_network_lost", "managed_network", "network_mode", "remove_unused_network")

_IN_USE = "network is being used"
_PATIENCE = 5.0
_PAUSE = 0.05
# Replicas are started at the same time: those of one process need not get in each other's way.
_making = Lock()

MANAGED = ("", "bridge", "default")
"""The modes of a profile that mean the network which is managed here. Others are the engine's."""


def network_mode(config: RunConfig) -> str:
    """The mode of network that a run config asks for; empty for the managed one.

    Args:
        config: What shall run.
    """
    network = config.effective_permission_profile.network
    mode = "" if network is None else network.mode
    return "" if mode in MANAGED else mode


def managed_network(owner: Owner) -> str:
    """The name of the managed network of an application.

    Args:
        owner: Whose containers are on it.
    """
    return f"{Keys(owner.app).mark}-external"


def is_network_lost(reason: str, owner: Owner) -> bool:
    """Whether an engine says that it does not know the managed network, or for a moment which of two.

    Args:
        reason: What the engine said.
        owner: Whose containers are on the network.
    """
    return managed_network(owner) in reason and ("not found" in reason or "ambiguous" in reason)


def ensure_network(engine: Engine, owner: Owner, *, name: str) -> bool:
    """Have the managed network, a bridge.

    Args:
        engine: Where it is needed.
        owner: Whose containers are on it.
        name: The workload that it is for.

    Returns:
        Whether it was not there before.

    Raises:
        WorkloadFailedError: It cannot be made.
        RuntimeUnavailableError: The engine does not answer.
    """
    network, keys = managed_network(owner), Keys(owner.app)
    labels = {keys.mark: "true", keys.name: network}
    with _making, engine.client("cannot make its network", name=name) as client:
        if present := _present(client, network):
            if len(present) > 1:
                _await_one(client, network)
            return False
        while not _made(client, network, labels):
            time.sleep(random.uniform(_PAUSE, 2 * _PAUSE))  # only to be out of step with somebody else
        return True


def _made(client: APIClient, network: str, labels: dict[str, str]) -> bool:
    """Make a network. Returns whether there is one then.

    Docker may make two of one name at the same time, and takes neither by that name then. Whoever sees another beside
    his own takes his own back: of two makers the later one to look sees both.
    """
    from docker.errors import APIError

    try:
        made = str(client.create_network(network, driver="bridge", check_duplicate=True, labels=labels)["Id"])
    except APIError:
        if _present(client, network):
            return True
        raise
    if _present(client, network) == [made]:
        return True
    _remove(client, made)
    return bool(_present(client, network))


def _await_one(client: APIClient, network: str) -> None:
    """Wait until there is one network of a name only; when those who made others are gone, remove what is not used."""
    deadline = time.monotonic() + _PATIENCE
    while len(present := _present(client, network)) > 1:
        if time.monotonic() > deadline:
            left = len(present)
            for identity in reversed(present):
                if left > 1 and _remove(client, identity):
                    left -= 1
            return
        time.sleep(_PAUSE)


def remove_unused_network(engine: Engine, owner: Owner, *, name: str) -> None:
    """Remove the managed network when no container of the application is left, whether it runs or not.

    Args:
        engine: Where it is.
        owner: Whose containers were on it.
        name: The workload that was removed last.

    Raises:
        WorkloadFailedError: The engine cannot.
        RuntimeUnavailableError: The engine does not answer.
    """
    network, keys = managed_network(owner), Keys(owner.app)
    with engine.client("cannot remove its network", name=name) as client:
        if client.containers(all=True, filters={"label": f"{keys.mark}=true"}):
            return
        for identity in _present(client, network):
            _remove(client, identity)


def _remove(client: APIClient, identity: str) -> bool:
    """Remove a network unless it is used. Returns whether it is gone."""
    from docker.errors import APIError, NotFound

    try:
        client.remove_network(identity)
    except NotFound:
        return True
    except APIError as error:
        # In use, or being removed by somebody else. Podman has no code for the first.
        if error.status_code not in (403, 409) and _IN_USE not in str(error.explanation):
            raise
        return False
    return True


def _present(client: APIClient, network: str) -> list[str]:
    """The networks of exactly this name, by id, the oldest first."""
    found = [each for each in client.networks(names=[network]) if each["Name"] == network]
    return [str(each["Id"]) for each in sorted(found, key=lambda each: (str(each.get("Created", "")), str(each["Id"])))]
