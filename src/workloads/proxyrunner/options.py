"""What a run config means to the proxy runner. Pure: a run config in, options or a list of problems out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads.errors import Problem, RunConfigError
from workloads.model import ProxyMode, TransportType
from workloads.proxyrunner.body import MAX_BODY
from workloads.proxyrunner.guard import is_loopback
from workloads.proxyrunner.jsonrpc import members
from workloads.proxyrunner.middleware.chain import Chain
from workloads.proxyrunner.remote import Remote
from workloads.proxyrunner.remote_checks import remote_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workloads.config import RunConfig

__all__ = ("MAX_REPLICAS", "RunnerOptions")

MAX_REPLICAS = 32
"""Copies of a server that one proxy runner keeps up."""

_LOOPBACK = "127.0.0.1"
_READY_TIMEOUT = 300.0
_DRAIN_TIMEOUT = 30.0


@attrs.frozen(kw_only=True)
class RunnerOptions:
    """What the proxy runner does.

    Attributes:
        name: The workload.
        transport: How the server talks.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        loopback: Whether only this machine can reach the address.
        hosts: Names, beyond its own, under which clients reach the proxy.
        origins: The origins that pages may have; empty allows the proxy's own.
        max_body: Bytes a request may have.
        chain: What requests go through before they reach the server.
        trust_forwarded: Whether to pass on what earlier proxies said of the client.
        stateless: Whether the server has no sessions.
        session_ttl: Seconds a session may be idle.
        shares_sessions: Whether other runners of the workload know its sessions too.
        per_session: Whether each session with a stdio server gets a process of its own.
        replicas: How many copies of the server run: 0 to 32.
        restart: When a server that ended is started again: ``no``, ``on-failure`` or ``always``.
        ready_timeout: Seconds the server may take to become ready.
        drain_timeout: Seconds a drain may take that is caused by cancelling the runner.
        remote: The server that runs elsewhere; None when one is started here, or routed to.
        idle_timeout: Seconds without use after which the server goes to sleep; 0 for never.
        suspends: Whether it is frozen to sleep, rather than ended.
    """

    name: str
    transport: TransportType
    host: str
    port: int
    loopback: bool
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    max_body: int
    chain: Chain
    trust_forwarded: bool
    stateless: bool
    session_ttl: float
    shares_sessions: bool
    per_session: bool
    replicas: int
    restart: str
    ready_timeout: float
    drain_timeout: float
    remote: Remote | None
    idle_timeout: float
    suspends: bool

    @classmethod
    def of(cls, config: RunConfig, environ: Mapping[str, str], *, routes: bool = False) -> RunnerOptions:
        """The options of a run config.

        Args:
            config: The run config.
            environ: The environment of this process, which tells whether it is in a pod.
            routes: Whether the runner only routes to servers of others.

        Raises:
            RunConfigError: The runner cannot do what it asks for; lists every such key.
        """
        from workloads.config import parse_duration, unenforceable

        loopback = is_loopback(config.host or _LOOPBACK)
        problems = [
            *unenforceable(config),
            *remote_problems(config),
            *_problems(config),
            *_sleep_problems(config, routes=routes),
            *_middleware_problems(config),
        ]
        max_body = _parameter(config, "bodylimit", "max_bytes", MAX_BODY)
        chain, unusable = Chain.of(config, max_body=max_body)
        problems += unusable
        trusted = loopback or config.insecure_bind or chain.authenticates or "KUBERNETES_SERVICE_HOST" in environ
        if not trusted:
            message = (
                f"other machines can reach {config.host}; use {_LOOPBACK}, add the middleware auth, "
                "or set insecure_bind to allow that"
            )
            problems.append(Problem("host", message))
        if problems:
            raise RunConfigError(problems)
        replicas = config.effective_backend_replicas
        return cls(
            name=config.name,
            transport=config.transport,
            host=config.host or _LOOPBACK,
            port=config.port,
            loopback=loopback,
            hosts=tuple(_without_port(host) for host in config.allowed_hosts),
            origins=(*config.allowed_origins, *_parameter(config, "origin", "allowed_origins", ())),
            max_body=max_body,
            chain=chain,
            trust_forwarded=config.trust_proxy_headers,
            stateless=config.stateless,
            session_ttl=config.effective_session_ttl,
            shares_sessions=_shares_sessions(config),
            per_session=config.stdio_mode == "per-session",
            replicas=1 if replicas is None else replicas,
            restart=config.restart or "always",
            ready_timeout=parse_duration(config.ready_timeout) if config.ready_timeout else _READY_TIMEOUT,
            drain_timeout=parse_duration(config.drain_timeout) if config.drain_timeout else _DRAIN_TIMEOUT,
            remote=Remote.of(config),
            idle_timeout=parse_duration(config.idle_timeout) if config.idle_timeout else 0.0,
            suspends=config.sleep_mode == "suspend",
        )


def _problems(config: RunConfig) -> Iterator[Problem]:
    if config.transport is TransportType.INSPECTOR:
        yield Problem("transport", "the inspector cannot be proxied; use stdio, sse or streamable-http")
    if config.transport is TransportType.STDIO and config.effective_proxy_mode is ProxyMode.SSE:
        yield Problem("proxy_mode", "the bridge to a stdio server speaks streamable-http only; leave it out")
    replicas = config.effective_backend_replicas
    key = "backend_replicas" if config.backend_replicas is not None else "scaling_config.backend_replicas"
    if replicas is not None and not 0 <= replicas <= MAX_REPLICAS:
        yield Problem(key, f"must be from 0 to {MAX_REPLICAS}, got {replicas}")
    if config.effective_session_ttl <= 0:
        yield Problem("session_ttl", f"must be positive, got {config.session_ttl!r}")
    if config.stdio_mode == "per-session" and config.transport is not TransportType.STDIO:
        yield Problem("stdio_mode", f"a server of {config.transport.value} has no such mode; leave it out")
    if config.endpoint_prefix and config.transport is TransportType.SSE:
        yield Problem("endpoint_prefix", "this version does not change what the server sends; leave it out")


def _sleep_problems(config: RunConfig, *, routes: bool) -> Iterator[Problem]:
    from workloads.config import parse_duration

    if not config.idle_timeout:
        return
    if parse_duration(config.idle_timeout) <= 0:
        yield Problem("idle_timeout", f"must be positive, got {config.idle_timeout!r}; leave it out to stay awake")
    if routes and not config.remote_url:
        yield Problem("idle_timeout", "this proxy runner only routes, and can put no server to sleep; leave it out")
    elif _shares_sessions(config):
        why = "one of several proxy runners does not know whether the others are in use"
        yield Problem("idle_timeout", f"{why}; leave it out, or scaling_config.session_redis")


def _shares_sessions(config: RunConfig) -> bool:
    redis = config.scaling_config.session_redis if config.scaling_config is not None else None
    return redis is not None and bool(redis.address)


def _middleware_problems(config: RunConfig) -> Iterator[Problem]:
    for key in ("middleware_configs", "additional_middleware_configs"):
        for index, middleware in enumerate(getattr(config, key)):
            path = f"{key}[{index}].parameters"
            parameters = members(middleware.parameters)
            size = parameters.get("max_bytes", MAX_BODY)
            if middleware.type == "bodylimit" and (not isinstance(size, int) or isinstance(size, bool) or size <= 0):
                yield Problem(f"{path}.max_bytes", "must be a positive number of bytes")
            origins = parameters.get("allowed_origins", ())
            if middleware.type == "origin" and not _are_strings(origins):
                yield Problem(f"{path}.allowed_origins", "must be a list of origins")


def _are_strings(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in cast("list[object]", value))


def _parameter(config: RunConfig, kind: str, name: str, default: Any) -> Any:
    """A parameter of the outermost middleware of that type."""
    for middleware in (*config.middleware_configs, *config.additional_middleware_configs):
        if middleware.type == kind:
            return members(middleware.parameters).get(name, default)
    return default


def _without_port(host: str) -> str:
    """The name in a value of ``Host``; an IPv6 address in the brackets it has there."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return f"[{host}]" if host.count(":") > 1 else host.partition(":")[0]
