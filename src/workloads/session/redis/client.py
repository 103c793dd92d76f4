"""redis-py's clients: made from a target, or recognised in what a caller made."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

from workloads.errors import MissingDependencyError
from workloads.session.redis.target import DEFAULT_CONNECTIONS, Target

try:
    from redis import __version__ as sdk_version
    from redis import asyncio as sdk
    from redis.asyncio.cluster import ClusterNode
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import SentinelConnectionPool
    from redis.backoff import NoBackoff
    from redis.driver_info import DriverInfo
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError
    from redis.maint_notifications import MaintNotificationsConfig
except ImportError as error:
    raise MissingDependencyError("redis", "RedisStorage") from error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

__all__ = (
    "close_client", "connection_options", "describe", "drop", "is_cluster", "is_sentinel", "open_client", "whole",
)  # fmt: skip

# redis-py's types are partly missing and partly too narrow for options that are put together.
_Redis: Any = sdk.Redis
_RedisCluster: Any = sdk.RedisCluster
_ClusterNode: Any = ClusterNode

_SENTINEL_TIMEOUT = 1.0
"""Seconds for one Sentinel to answer, for they are asked in turn, and one that hangs must not use up all the time."""


class _Sentinels(sdk.Sentinel):
    """The Sentinels, all of them.

    redis-py puts the one that knew the master in front. When two ask at the same time, one that moved meanwhile ends up
    twice and another nowhere, never to be asked or closed again.
    """

    every: tuple[Any, ...]

    async def discover_master(self, service_name: str) -> Any:
        redis_py: Any = super()
        address = await redis_py.discover_master(service_name)
        if not set(self.every) <= set(self.sentinels):
            self.sentinels[:] = self.every
        return address


def is_cluster(client: Any) -> bool:
    """Whether a client is one of a cluster.

    Args:
        client: The client.
    """
    return isinstance(client, _RedisCluster)


def is_sentinel(client: Any) -> bool:
    """Whether a client asks Sentinel for its master.

    Args:
        client: The client.
    """
    return isinstance(getattr(client, "connection_pool", None), SentinelConnectionPool)


def open_client(target: Target) -> Any:
    """A client that connects when it is first used. It retries nothing by itself: :class:`Calls` does.

    Args:
        target: Where Redis is.
    """
    options = _options(target, tls=target.tls) | {
        "username": target.username,
        "password": target.password,
        "client_name": target.client_name,
        # redis-py makes a task of every write that has a time-out; the link to a server has a cheaper one.
        "socket_timeout": target.socket_timeout if target.kind == "cluster" else None,
        "socket_connect_timeout": target.socket_connect_timeout,
    }
    match target.kind:
        case "server":
            host, port = target.addresses[0]
            return _Redis(host=host, port=port, db=target.database, **options)
        case "unix":
            return _Redis(unix_socket_path=target.path, db=target.database, **options)
        case "sentinel":
            return _open_sentinel(target, options)
        case "cluster":
            nodes = [_ClusterNode(host, port) for host, port in target.addresses]
            # Every slot that moved is learned by itself. Else all connections are closed after some, with all that
            # others are asking on them.
            options["reinitialize_steps"] = 0
            return _RedisCluster(startup_nodes=nodes, max_connections=2 * target.max_connections, **options)


def describe(client: Any) -> Target:
    """Where a client of the caller's goes, as far as errors and ``repr`` need it.

    Args:
        client: Its client.

    Raises:
        TypeError: It is no asyncio client of redis-py.
    """
    if is_cluster(client):
        addresses = tuple((node.host, int(node.port)) for node in client.startup_nodes)
        options = client.get_connection_kwargs()
        limit = _limit(options.get("max_connections"))
        return Target(kind="cluster", addresses=addresses, max_connections=limit, **_credentials(options))
    if not isinstance(client, _Redis):
        raise TypeError(f"expected redis.asyncio.Redis or redis.asyncio.RedisCluster, got {type(client).__name__}")
    pool = client.connection_pool
    options = pool.connection_kwargs
    fields = _credentials(options)
    fields["database"] = options.get("db") or 0
    fields["max_connections"] = _limit(pool.max_connections)
    # Else every new connection looks up redis-py's version on the disk, in the event loop, to tell the same.
    options.setdefault("driver_info", DriverInfo(lib_version=sdk_version))
    if is_sentinel(client):
        of_sentinels = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
        addresses = tuple((str(each.get("host")), int(each.get("port", 26379))) for each in of_sentinels)
        passwords = [each["password"] for each in of_sentinels if each.get("password")]
        fields["sentinel_password"] = passwords[0] if passwords else None
        return Target(kind="sentinel", master=pool.service_name, addresses=addresses, **fields)
    if "path" in options:
        return Target(kind="unix", path=options["path"], **fields)
    address = str(options.get("host", "localhost")), int(options.get("port", 6379))
    return Target(kind="server", addresses=(address,), **fields)


@contextlib.asynccontextmanager
async def whole(client: Any) -> AsyncGenerator[None, None]:
    """With a client that knows its cluster, and for which a connection that is gone is no defect.

    Args:
        client: The client of a cluster.

    Raises:
        redis.exceptions.RedisError: The cluster cannot be asked.
    """
    try:
        # A command that it is given before goes to any server, and is sent on from there.
        await client.initialize()
        yield
    except AttributeError as error:
        # When one task finds a server away, redis-py closes connections that others are about to use.
        raise RedisConnectionError("the connection was closed") from error


async def close_client(client: Any) -> None:
    """Close a client that :func:`open_client` made, and its Sentinels. A server that hangs is left without a farewell.

    Args:
        client: The client.
    """
    clients = [client]
    if is_sentinel(client):
        clients += client.connection_pool.sentinel_manager.every
    for each in clients:
        with contextlib.suppress(RedisError, OSError):
            await (each.aclose() if is_cluster(each) else each.aclose(close_connection_pool=True))


def connection_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a connection outside of any pool is made with. It waits for as long as nobody else ends it.

    Args:
        options: What those of the pool are made with.
    """
    return {
        **options,
        "protocol": 3,
        "socket_timeout": None,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }


async def drop(connection: Any) -> None:
    """Close a connection without a farewell, which under TLS waits for a server that may be gone.

    Args:
        connection: redis-py's connection.
    """
    writer = connection._writer  # noqa: SLF001  # redis-py says farewell, or leaves the connection to itself
    if writer is not None:
        writer.transport.abort()
    await connection.disconnect()


def _open_sentinel(target: Target, options: dict[str, Any]) -> Any:
    tls = target.tls if target.sentinel_ssl is None else target.sentinel_ssl
    limit = min(_SENTINEL_TIMEOUT, target.socket_timeout)
    of_sentinels = _options(target, tls=tls) | {
        "username": target.sentinel_username,
        "password": target.sentinel_password,
        "socket_timeout": limit,
        "socket_connect_timeout": limit,
    }
    make: Any = _Sentinels
    sentinel = make(target.addresses, sentinel_kwargs=of_sentinels)
    sentinel.every = tuple(sentinel.sentinels)
    pool: Any = SentinelConnectionPool
    return _Redis(
        connection_pool=pool(target.master, sentinel, db=target.database, **options), driver_info=options["driver_info"]
    )


def _options(target: Target, *, tls: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "protocol": 3,
        "retry": Retry(NoBackoff(), 0),
        # Else it looks up its own version on the disk, in the event loop, to tell the server.
        "driver_info": None,
        # They lengthen time-outs as a managed Redis asks for it, and keep stale connections in the pool.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if tls:
        options |= {
            "ssl": True,
            "ssl_ca_certs": target.ssl_ca_certs,
            "ssl_certfile": target.ssl_certfile,
            "ssl_keyfile": target.ssl_keyfile,
            "ssl_cert_reqs": target.ssl_cert_reqs,
            "ssl_check_hostname": target.ssl_check_hostname and target.ssl_cert_reqs != "none",
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    return options


def _limit(connections: Any) -> int:
    return min(DEFAULT_CONNECTIONS, int(connections or DEFAULT_CONNECTIONS))


def _credentials(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"username": options.get("username"), "password": options.get("password"), "tls": "ssl_cert_reqs" in options}
