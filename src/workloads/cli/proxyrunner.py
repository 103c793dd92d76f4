"""``workloads proxyrunner``: deploy one workload, proxy to it, and drain on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from workloads._core.variables import CONTROL_TOKEN
from workloads.cli.logs_setup import log_accesses, wants_access_log
from workloads.cli.options import Seconds
from workloads.cli.signals import ShutdownSignals
from workloads.cli.tracing import spans_exported
from workloads.errors import WorkloadFailedError, WorkloadsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads._core.paths import Paths
    from workloads.config import RunConfig
    from workloads.managers.handshake import Reporter, Start
    from workloads.proxyrunner import ControlPort, ReplicaAddress

__all__ = ("proxyrunner",)

_log = logging.getLogger(__name__)

_LAST_PORT = 65535


class _Times(TypedDict):
    """Options of the command that are handed on as they are."""

    pre_stop_delay: float
    stall_timeout: float


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The run config to deploy, JSON or YAML.",
)
@click.option(
    "--pre-stop-delay",
    type=Seconds(min=0),
    default=0.0,
    metavar="SECONDS",
    envvar="WORKLOADS_PRE_STOP_DELAY",
    help="After a signal, be not ready for so long before new work is refused.",
)
@click.option(
    "--stall-timeout",
    type=Seconds(min=0, min_open=True),
    default=120.0,
    metavar="SECONDS",
    envvar="WORKLOADS_STALL_TIMEOUT",
    help="Close a connection whose client reads nothing of its answer for so long; 120 unless told otherwise.",
)
@click.option(
    "--replica",
    "replicas",
    multiple=True,
    metavar="URL",
    help="Only route to this server, which somebody else runs, such as http://10.0.0.7:8080; may be repeated.",
)
@click.option(
    "--control",
    metavar="HOST:PORT",
    help="Answer the operator (/metrics) there, for the token in WORKLOADS_CONTROL_TOKEN.",
)
@click.option("--access-log", is_flag=True, help="Log every request, as WORKLOADS_ACCESS_LOG=1 does.")
@click.option("--name", hidden=True, help="Deploy the stored workload of this name, for a manager.")
@click.option("--report-fd", type=int, hidden=True, help="Where the manager is told what happens.")
@click.pass_context
def proxyrunner(
    context: click.Context,
    config_file: Path | None,
    pre_stop_delay: float,
    stall_timeout: float,
    replicas: tuple[str, ...],
    control: str | None,
    access_log: bool,
    name: str | None,
    report_fd: int | None,
) -> None:
    """Deploy one workload from its run config, proxy to it, and drain on SIGTERM, SIGINT or SIGQUIT.

    It serves until a signal comes: then it takes no new work, lets requests in flight finish, ends its server and
    exits 0. It has no deadline of its own for that; who sends the signal decides how long to wait. Behind a load
    balancer, --pre-stop-delay 2 gives that time to notice: /health says 503 for two seconds while all else goes on.
    When it cannot start or keep the workload up, it logs one error and exits 1.

    With --replica it starts no server. Several such runners, in front of the same replicas and with one
    scaling_config.session_redis, are one server to clients: any of them serves any session.

    The operator is answered where --control says, such as at a second port of a pod; else, unless it only routes, on a
    Unix socket in the state folder.

    \b
    Examples:
      workloads proxyrunner --config runconfig.json
      workloads proxyrunner --config runconfig.json --replica http://10.0.0.7:8080 --replica http://10.0.0.8:8080
      WORKLOADS_CONTROL_TOKEN=... workloads proxyrunner --config runconfig.json --control 0.0.0.0:9090

    \b
    Exit codes:
      0  drained, or the workload ended by itself
      1  it could not start, serve or drain
      2  the command line is wrong
    """
    if (config_file is None) == (name is None):
        raise click.UsageError("give --config FILE")
    addresses = [_address(url) for url in replicas]
    desk = None if control is None else _control_port(control, os.environ)
    if access_log or wants_access_log(os.environ):
        log_accesses()
    times = _Times(pre_stop_delay=pre_stop_delay, stall_timeout=stall_timeout)
    with ShutdownSignals() as signals:
        context.exit(_serve(context, config_file, addresses, times, desk, name, report_fd, signals))


def _control_port(text: str, environ: Mapping[str, str]) -> ControlPort:
    """What ``--control`` and the environment say together."""
    from workloads.proxyrunner import ControlPort

    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise click.BadParameter(f"must be HOST:PORT, got {text!r}", param_hint="--control")
    variable, token = CONTROL_TOKEN.names[0], CONTROL_TOKEN.value(environ)
    if not token:
        raise click.UsageError(f"--control needs a token: set {variable} in the environment")
    try:
        return ControlPort(host, int(port), token)
    except ValueError as error:
        raise click.UsageError(f"{variable}: {error}") from None


def _serve(
    context: click.Context,
    config_file: Path | None,
    replicas: Sequence[ReplicaAddress],
    times: _Times,
    control: ControlPort | None,
    name: str | None,
    report_fd: int | None,
    signals: ShutdownSignals,
) -> int:
    from workloads._core.paths import Paths
    from workloads.managers.handshake import Event, Reporter

    reporter = Reporter(report_fd)
    try:
        if name is not None:
            _run_stored(name, context.obj.state_dir, reporter, signals, times)
        else:
            assert config_file is not None
            paths = Paths.locate(state_dir=context.obj.state_dir)
            if replicas:
                _route(config_file, replicas, paths, signals, times, control)
                return 0
            _run_file(config_file, context.obj.runtime, paths, reporter, signals, times, control)
        reporter.send(Event("ended"))
    except WorkloadsError as error:
        # One line without a traceback: the error says what happened and what to do.
        _log.error(str(error), extra={"workload": name or str(config_file)})
        reporter.send(Event.failure(error))
        return 1
    finally:
        reporter.close()
    return 0


def _run_stored(name: str, state_dir: Path | None, reporter: Reporter, signals: ShutdownSignals, times: _Times) -> None:
    """Run a workload that a manager has stored; what no file may hold comes on standard input."""
    from workloads._core.paths import Paths
    from workloads.managers.handshake import Start
    from workloads.managers.inventory import Inventory

    start = Start.decode(sys.stdin.buffer.readline())
    if start is None:
        raise WorkloadFailedError(name, "who started its proxy runner has gone")
    paths = Paths.locate(start.app, state_dir)
    inventory = Inventory(paths)
    record = inventory.records.read(name)
    runtime = "process" if record is None else record.runtime
    config = inventory.proposed(name) if start.proposed else inventory.config(name)
    _run(config, runtime, start, paths, reporter, signals, times)


def _run_file(
    file: Path,
    runtime: str | None,
    paths: Paths,
    reporter: Reporter,
    signals: ShutdownSignals,
    times: _Times,
    control: ControlPort | None,
) -> None:
    from workloads.factory import detect_runtime
    from workloads.managers.admission import admit, headers_of, secrets_of
    from workloads.managers.handshake import Start
    from workloads.runtimes.registry import load_runtime

    config = _read(file)
    chosen = detect_runtime(runtime).runtime
    admit(config, load_runtime(chosen))
    start = Start(secrets_of(config, paths), headers=headers_of(config, paths))
    _run(config, chosen, start, paths, reporter, signals, times, control=control)


def _route(
    file: Path,
    replicas: Sequence[ReplicaAddress],
    paths: Paths,
    signals: ShutdownSignals,
    times: _Times,
    control: ControlPort | None,
) -> None:
    """Serve without owning anything: of such runners a workload may have several."""
    import uvloop

    from workloads.managers.admission import headers_of, secrets_of
    from workloads.proxyrunner import ProxyRunner

    config = _read(file)
    secrets, headers = secrets_of(config, paths), headers_of(config, paths)

    async def serve() -> None:
        shutdown = asyncio.Event()
        signals.bind(asyncio.get_running_loop(), shutdown)
        runner = ProxyRunner(
            config,
            replicas=replicas,
            secrets=secrets,
            headers=headers,
            **times,
            control=control,
        )
        await runner.serve(shutdown)

    _raise_descriptor_limit()
    if not signals.received:
        with (
            spans_exported(config, os.environ),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(serve())


def _read(file: Path) -> RunConfig:
    from workloads.config import RunConfig

    read = RunConfig.from_json if file.suffix == ".json" else RunConfig.from_yaml
    return read(file.read_bytes(), source=str(file))


def _address(url: str) -> ReplicaAddress:
    from workloads.proxyrunner import ReplicaAddress

    try:
        return ReplicaAddress.of(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--replica") from None


def _run(
    config: RunConfig,
    runtime: str,
    start: Start,
    paths: Paths,
    reporter: Reporter,
    signals: ShutdownSignals,
    times: _Times,
    *,
    control: ControlPort | None = None,
) -> None:
    import uvloop

    from workloads.managers.owner import Ownership, run_owned
    from workloads.runtimes.registry import load_runtime

    async def serve() -> None:
        shutdown = asyncio.Event()
        loop = asyncio.get_running_loop()
        signals.bind(loop, shutdown)
        if start.foreground:
            loop.add_reader(0, _caller_gone, loop, shutdown)
        await run_owned(
            config,
            load_runtime(runtime),
            ownership,
            paths=paths,
            app=start.app,
            secrets=start.secrets,
            headers=start.headers,
            shutdown=shutdown,
            **times,
            control=control,
        )

    _raise_descriptor_limit()
    if not signals.received:
        with (
            Ownership(config.name, runtime, paths=paths, reporter=reporter, launch_id=start.launch_id) as ownership,
            spans_exported(config, os.environ),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(serve())


def _raise_descriptor_limit() -> None:
    """Allow this process as many descriptors as it may have: each stream takes two of them."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Some systems name a limit that they do not grant; then the one there is has to do.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _caller_gone(loop: asyncio.AbstractEventLoop, shutdown: asyncio.Event) -> None:
    if not os.read(0, 1024):
        loop.remove_reader(0)
        shutdown.set()
