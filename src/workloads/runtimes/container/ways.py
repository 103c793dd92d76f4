"""How a server is connected: the network that its container gets, and what has to run for that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from workloads.errors import WorkloadFailedError, WorkloadsError
from workloads.runtimes.container.gateway_image import gateway_image
from workloads.runtimes.container.gateway_running import start_gateway, stop_gateway
from workloads.runtimes.container.gateways import (
    gateway_settings,
    isolated_environment,
    needs_gateway,
    sidecar_names,
    sidecars,
)
from workloads.runtimes.container.labels import DIGEST, LAUNCH, REPLICA, SCOPE, Keys, label, replica_of, selector
from workloads.runtimes.container.leftovers import remove_container
from workloads.runtimes.container.networks import ensure_network, managed_network, network_mode, remove_unused_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import APIClient

    from workloads.config import RunConfig
    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.container.gateways import Sidecar
    from workloads.runtimes.protocol import Owner

__all__ = ("Way", "abandon_way", "close_way", "open_way", "remove_ways")

_log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"


@attrs.frozen
class Way:
    """How one server is connected.

    Attributes:
        mode: The network mode of its container.
        environ: Environment variables that lead it out. Default: none.
        publishes: Whether its own container publishes ports. Default: True.
        address: Where the server's port leads when another container publishes it; None for no port. Default: None.
        companions: Containers that are there for this server only, by id. Default: none.
        volume: The volume that they share. Default: ``""``, none.
    """

    mode: str
    environ: Mapping[str, str] = attrs.field(factory=dict[str, str])
    publishes: bool = True
    address: tuple[str, int] | None = None
    companions: tuple[str, ...] = ()
    volume: str = ""


def open_way(engine: Engine, owner: Owner, config: RunConfig, index: int, *, container: str, port: int) -> Way:
    """Have the network of a server, and what leads into and out of it. What is there and still right is taken again.

    Args:
        engine: Where it shall run.
        owner: Whose it is.
        config: What shall run.
        index: Its number within the workload, from 0.
        container: The name of its container.
        port: The port that it listens on; 0 for none.

    Raises:
        WorkloadFailedError: Something of it cannot be made, or does not start.
        RuntimeUnavailableError: The engine does not answer.
    """
    isolated = config.effective_isolate_network
    if isolated and not needs_gateway(config, port=port):
        return Way("none", publishes=False)
    if not isolated and (mode := network_mode(config)):
        return Way(mode)
    made = ensure_network(engine, owner, name=config.name)
    network = managed_network(owner)
    if made:  # what is there of an earlier start holds on to one that is gone
        _forget(engine, owner, config.name, container, *sidecar_names(container))
    if not isolated:
        return Way(network)
    way = Way("")
    try:
        pair = sidecars(
            config,
            gateway_settings(config, port=port, refused=_public_addresses()),
            container=container,
            network=network,
            image=gateway_image(engine, name=config.name),
            labels=_labels(config, owner, index),
        )
        way = attrs.evolve(way, volume=pair.volume)
        with engine.client("cannot make the gateway of its network", name=config.name) as client:
            client.create_volume(pair.volume, labels=pair.door.body["Labels"])
        for sidecar in (pair.egress, pair.door):
            prepared = _prepared(engine, owner, config.name, sidecar, container)
            way = attrs.evolve(way, companions=(*way.companions, prepared))
        start_gateway(engine, config.name, way.companions)
        return attrs.evolve(
            way,
            mode=f"container:{way.companions[-1]}",
            environ=isolated_environment(),
            publishes=False,
            address=_address(engine, config.name, way.companions[0], port) if port else None,
        )
    except BaseException:
        abandon_way(engine, owner, config.name, way, container=container)
        raise


def abandon_way(engine: Engine, owner: Owner, name: str, way: Way, *, container: str) -> None:
    """Remove what was there for a server that could not be started, as far as the engine can. What fails is logged.

    Args:
        engine: Where it is.
        owner: Whose it is.
        name: The workload.
        way: How the server was to be connected.
        container: The name of the server's container, which shares the network that goes.
    """
    try:
        if way.companions:
            _forget(engine, owner, name, container)
        close_way(engine, owner, name, way, kept=False)
    except WorkloadsError as error:
        _log.warning("gateway not removed", extra={"workload": name, "reason": str(error)})


def close_way(engine: Engine, owner: Owner, name: str, way: Way, *, kept: bool) -> None:
    """Stop what was there for a server that has ended.

    Args:
        engine: Where it is.
        owner: Whose it is.
        name: The workload.
        way: How the server was connected.
        kept: Whether what was there stays for the next start.

    Raises:
        WorkloadFailedError: The engine cannot stop something.
        RuntimeUnavailableError: It does not answer.
    """
    if kept:
        stop_gateway(engine, name, way.companions)
        return
    for container in reversed(way.companions):  # the door has the network, so it goes before the volume is free
        remove_container(engine, name, container)
    if way.volume:
        with engine.client("cannot remove the gateway of its network", name=name) as client:
            _remove_volume(client, way.volume)
    remove_unused_network(engine, owner, name=name)


def remove_ways(engine: Engine, owner: Owner, name: str, *, first: int = 0) -> None:
    """Remove what is left of the ways of a workload whose containers are removed; what is gone already does not matter.

    Args:
        engine: Where they were.
        owner: Whose they were.
        name: The workload.
        first: Leave those of the replicas alone whose number is less, and the network that they need. Default: 0, none
            is.

    Raises:
        WorkloadFailedError: The engine cannot remove something.
        RuntimeUnavailableError: It does not answer.
    """
    with engine.client("cannot remove the gateway of its network", name=name) as client:
        base_name = Keys(owner.app).base_name
        # Podman takes a volume that has one of several labels.
        for volume in client.volumes(filters={"label": selector(owner)})["Volumes"] or ():
            if label(volume, base_name) == name and replica_of(volume) >= first:
                _remove_volume(client, volume["Name"])
    if not first:
        remove_unused_network(engine, owner, name=name)


def _address(engine: Engine, name: str, egress: str, port: int) -> tuple[str, int]:
    """Where a port of the server is published by its gateway."""
    with engine.client("cannot find the gateway of its network", name=name) as client:
        bindings = client.inspect_container(egress)["NetworkSettings"]["Ports"].get(f"{port}/tcp") or ()
    # Each of them leads there.
    for binding in bindings:
        return _LOOPBACK, int(binding["HostPort"])
    raise WorkloadFailedError(name, "the gateway of its network has ended; see its log, and start it again")


def _prepared(engine: Engine, owner: Owner, name: str, sidecar: Sidecar, server: str) -> str:
    """The container of last time if it is still right, else a new one; by id."""
    present = _present(engine, owner, name, sidecar.name)
    if present is not None:
        if label(present["Config"], DIGEST) == sidecar.digest:
            return str(present["Id"])
        # The server may share its network, and Podman removes none that others need.
        _forget(engine, owner, name, server, sidecar.name)
    labelled = {**sidecar.body["Labels"], DIGEST: sidecar.digest, LAUNCH: owner.launch_id}
    with engine.client("cannot make the gateway of its network", name=name) as client:
        return str(client.create_container_from_config({**sidecar.body, "Labels": labelled}, sidecar.name)["Id"])


def _forget(engine: Engine, owner: Owner, name: str, *containers: str) -> None:
    """Remove containers by name, one after the other; those that are not there do not matter."""
    for container in containers:
        if (present := _present(engine, owner, name, container)) is not None:
            remove_container(engine, name, str(present["Id"]))


def _present(engine: Engine, owner: Owner, name: str, container: str) -> dict[str, Any] | None:
    """What the engine tells of a container of this owner's; None when there is none of that name."""
    from docker.errors import NotFound

    with engine.client("cannot look for the gateway of its network", name=name) as client:
        try:
            present = client.inspect_container(container)
        except NotFound:
            return None
    if label(present["Config"], SCOPE) != owner.scope:
        reason = f"a container named {container!r} exists that is not this workload's; remove or rename it"
        raise WorkloadFailedError(name, reason)
    return present


def _remove_volume(client: APIClient, volume: str) -> None:
    from docker.errors import NotFound

    try:
        client.remove_volume(volume)
    except NotFound:
        return


def _labels(config: RunConfig, owner: Owner, index: int) -> dict[str, str]:
    keys = Keys(owner.app)
    return {
        keys.mark: "true",
        keys.base_name: config.effective_base_name,
        keys.transport: "stdio",
        keys.port: "80",
        keys.auxiliary: "true",
        REPLICA: str(index),
        SCOPE: owner.scope,
    }


def _public_addresses() -> list[str]:
    """Addresses of this machine that look like any other of the internet."""
    import psutil

    from workloads.runtimes.container.gateway.policy import as_address, is_public

    texts = [each.address.partition("%")[0] for group in psutil.net_if_addrs().values() for each in group]
    return sorted({str(each) for each in map(as_address, texts) if each is not None and is_public(each)})
