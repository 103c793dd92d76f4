"""How a server is connected: the network that its container gets, and what has to run for that."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs

from workloads.errors import WorkloadFailedError
from workloads.runtimes.container.attachment import connected
from workloads.runtimes.container.frames import FrameReader
from workloads.runtimes.container.gateway.settings import READY
from workloads.runtimes.container.gateway_image import gateway_image
from workloads.runtimes.container.gateways import gateway_settings, isolated_environment, needs_gateway, sidecars
from workloads.runtimes.container.labels import DIGEST, LAUNCH, REPLICA, SCOPE, Keys, selector
from workloads.runtimes.container.networks import ensure_network, network_mode, remove_unused_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import APIClient

    from workloads.config import RunConfig
    from workloads.runtimes.container.engine import Engine
    from workloads.runtimes.container.gateways import Sidecar, Sidecars
    from workloads.runtimes.protocol import Owner

__all__ = ("Way", "closed_way", "opened_way", "remove_ways")

_LOOPBACK = "127.0.0.1"
_CHUNK = 4096
_STOP_GRACE = 2.0
_TOLD_OF_A_FAILURE = 20


@attrs.frozen
class Way:
    """How one server is connected.

    Attributes:
        mode: The network mode of its container.
        environ: Environment variables that lead it out. Default: none.
        publishes: Whether its own container publishes ports. Default: True.
        address: Where the server's port leads when another container publishes it; None for no port. Default: None.
        companions: Containers that are there for this server only, by id. Default: none.
    """

    mode: str
    environ: Mapping[str, str] = attrs.field(factory=dict[str, str])
    publishes: bool = True
    address: tuple[str, int] | None = None
    companions: tuple[str, ...] = ()


def opened_way(engine: Engine, owner: Owner, config: RunConfig, index: int, *, container: str, port: int) -> Way:
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
    if not config.effective_isolate_network:
        mode = network_mode(config)
        return Way(mode or ensure_network(engine, owner, name=config.name))
    if not needs_gateway(config, port=port):
        return Way("none", publishes=False)
    pair = sidecars(
        config,
        gateway_settings(config, port=port, refused=_public_addresses()),
        container=container,
        network=ensure_network(engine, owner, name=config.name),
        image=gateway_image(engine, name=config.name),
        labels=_labels(config, owner, index),
    )
    companions: list[str] = []
    try:
        return _opened(engine, owner, config.name, pair, port, companions)
    except BaseException:
        closed_way(engine, config.name, companions)
        raise


def closed_way(engine: Engine, name: str, companions: tuple[str, ...] | list[str]) -> None:
    """Stop what was there for a server that has ended. They stay, for its next start.

    Args:
        engine: Where they are.
        name: The workload.
        companions: The containers, by id.

    Raises:
        WorkloadFailedError: The engine cannot stop one.
        RuntimeUnavailableError: It does not answer.
    """
    from docker.errors import NotFound

    def stop(container: str) -> None:
        with engine.client("cannot stop the gateway of its network", name=name) as client:
            try:
                client.stop(container, timeout=math.ceil(_STOP_GRACE))
            except NotFound:
                return

    _at_once(stop, companions)


def remove_ways(engine: Engine, owner: Owner, name: str) -> None:
    """Remove what is left of the ways of a workload whose containers are removed; what is gone already does not matter.

    Args:
        engine: Where they were.
        owner: Whose they were.
        name: The workload.

    Raises:
        WorkloadFailedError: The engine cannot remove something.
        RuntimeUnavailableError: It does not answer.
    """
    from docker.errors import NotFound

    with engine.client("cannot remove the gateway of its network", name=name) as client:
        for volume in client.volumes(filters={"label": selector(owner, name)})["Volumes"] or ():
            try:
                client.remove_volume(volume["Name"])
            except NotFound:
                continue
    remove_unused_network(engine, owner, name=name)


def _opened(engine: Engine, owner: Owner, name: str, pair: Sidecars, port: int, companions: list[str]) -> Way:
    with engine.client("cannot make the gateway of its network", name=name) as client:
        client.create_volume(pair.volume, labels=pair.door.body["Labels"])
        companions += [_prepared(client, owner, name, each) for each in (pair.egress, pair.door)]
    _at_once(lambda container: _started(engine, name, container), companions)
    egress, door = companions
    address = None
    if port:
        with engine.client("cannot find the gateway of its network", name=name) as client:
            bindings = client.inspect_container(egress)["NetworkSettings"]["Ports"].get(f"{port}/tcp") or ()
        # The first is any free port; those that were chosen are for others.
        address = next(((_LOOPBACK, int(each["HostPort"])) for each in bindings), None)
        if address is None:
            raise WorkloadFailedError(name, "the gateway of its network has ended; see its logs and start it again")
    return Way(f"container:{door}", isolated_environment(), False, address, tuple(companions))


def _prepared(client: APIClient, owner: Owner, name: str, sidecar: Sidecar) -> str:
    """The container of last time if it is still right, else a new one; by id."""
    from docker.errors import NotFound

    try:
        present = client.inspect_container(sidecar.name)
    except NotFound:
        present = None
    if present is not None:
        labels: Mapping[str, str] = present["Config"].get("Labels") or {}
        if labels.get(SCOPE) != owner.scope:
            reason = f"a container named {sidecar.name!r} exists that is not this workload's; remove or rename it"
            raise WorkloadFailedError(name, reason)
        if labels.get(DIGEST) == sidecar.digest:
            return str(present["Id"])
        _removed(client, present)
    body = {**sidecar.body, "Labels": {**sidecar.body["Labels"], DIGEST: sidecar.digest, LAUNCH: owner.launch_id}}
    return str(client.create_container_from_config(body, sidecar.name)["Id"])


def _removed(client: APIClient, present: Mapping[str, Any]) -> None:
    """Remove a container of another form, and whoever shares its network: Podman removes none that others need."""
    identity = str(present["Id"])
    for each in client.containers(all=True, filters={"label": f"{SCOPE}={present['Config']['Labels'][SCOPE]}"}):
        if each.get("HostConfig", {}).get("NetworkMode") == f"container:{identity}":
            client.remove_container(str(each["Id"]), v=True, force=True)
    client.remove_container(identity, v=True, force=True)


def _started(engine: Engine, name: str, container: str) -> None:
    """Start one of the two, unless it runs, and wait until it listens."""
    doing = "cannot start the gateway of its network"
    with engine.client(doing, name=name) as client:
        if client.inspect_container(container)["State"].get("Running"):
            return
        with connected(engine, container, workload=name) as output:
            client.start(container)
            reader, told = FrameReader(), b""
            while data := output.recv(_CHUNK):
                told += b"".join(frame.data for frame in reader.feed(data))
                if READY in told.splitlines():
                    return
    logs = told.decode("utf-8", "replace").splitlines()[-_TOLD_OF_A_FAILURE:]
    raise WorkloadFailedError(name, "the gateway of its network does not start", logs=logs)


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


def _at_once(work: Any, containers: tuple[str, ...] | list[str]) -> None:
    if not containers:
        return
    with ThreadPoolExecutor(len(containers), thread_name_prefix="workloads-gateway") as pool:
        for outcome in [pool.submit(work, container) for container in containers]:
            outcome.result()
