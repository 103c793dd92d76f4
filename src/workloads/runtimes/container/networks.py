"""The network of a container: which one a run config means, and the bridge that this library manages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads.runtimes.container.labels import Keys

if TYPE_CHECKING:
    from docker import APIClient

    from workloads.config import RunConfig
    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.protocol import Owner

__all__ = ("MANAGED", "ensure_network", "is_network_gone", "managed_network", "network_mode", "remove_unused_network")

_IN_USE = "network is being used"

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


def is_network_gone(reason: str, owner: Owner) -> bool:
    """Whether an engine says that it does not know the managed network.

    Args:
        reason: What the engine said.
        owner: Whose containers are on the network.
    """
    return managed_network(owner) in reason and "not found" in reason


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
    from docker.errors import APIError

    network, keys = managed_network(owner), Keys(owner.app)
    labels = {keys.mark: "true", keys.name: network}
    with engine.client("cannot make its network", name=name) as client:
        if _present(client, network):
            return False
        try:
            made = client.create_network(network, driver="bridge", check_duplicate=True, labels=labels)
        except APIError:
            if not _present(client, network):
                raise
        else:
            # Docker may make two of one name at the same time. Everybody keeps the same one.
            if str(made["Id"]) not in _present(client, network)[:1]:
                client.remove_network(str(made["Id"]))
    return True


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
    from docker.errors import APIError

    network, keys = managed_network(owner), Keys(owner.app)
    with engine.client("cannot remove its network", name=name) as client:
        if client.containers(all=True, filters={"label": f"{keys.mark}=true"}):
            return
        for identity in _present(client, network):
            try:
                client.remove_network(identity)
            except APIError as error:
                # In use again, gone, or being removed by somebody else. Podman has no code for the first.
                if error.status_code not in (403, 404, 409) and _IN_USE not in str(error.explanation):
                    raise


def _present(client: APIClient, network: str) -> list[str]:
    """The networks of exactly this name, by id, the oldest first."""
    found = [each for each in client.networks(names=[network]) if each["Name"] == network]
    return [str(each["Id"]) for each in sorted(found, key=lambda each: (str(each.get("Created", "")), str(each["Id"])))]
