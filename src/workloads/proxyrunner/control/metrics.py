"""``/metrics``: the numbers of a proxy runner in the format of Prometheus, whose library the first scrape loads."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import attrs

from workloads.errors import MissingDependencyError
from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.replies import Reply, method_not_allowed, plain
from workloads.proxyrunner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workloads.proxyrunner.asgi import Receive, Scope, Send
    from workloads.proxyrunner.meter import Meter

__all__ = ("METRICS_PATH", "Figure", "Metrics")

METRICS_PATH = "/metrics"

_CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "workloads_proxy_"


@attrs.frozen
class Figure:
    """A number that is looked up when somebody asks.

    Attributes:
        name: Its name, without the part that all have in common.
        meaning: What it says, one sentence.
        value: The number.
        grows: Whether it only ever grows, as a count of what has happened does.
    """

    name: str
    meaning: str
    value: float
    grows: bool = False


class Metrics:
    """An ASGI application that tells of one runner. Each has a registry of its own: one process may host several.

    Args:
        workload: Its name, a label of every line.
        meter: What is counted.
        figures: Looks up what else there is to tell.
    """

    def __init__(self, workload: str, meter: Meter, figures: Callable[[], Iterable[Figure]]) -> None:
        """Prepare; nothing is loaded."""
        self._workload = workload
        self._meter = meter
        self._figures = figures
        self._loaded = False

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, method_not_allowed("GET", "HEAD"))
            return
        try:
            if not self._loaded:
                await in_thread(import_module, "prometheus_client")
                self._loaded = True
        except ImportError:
            await respond(send, plain(501, str(MissingDependencyError("metrics", METRICS_PATH))))
            return
        body = self.render()
        length = (b"content-length", str(len(body)).encode())
        await respond(send, Reply(200, body, ((b"content-type", _CONTENT_TYPE), length)))

    def render(self) -> bytes:
        """The numbers as text."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def describe(self) -> Iterator[Any]:
        """Nothing: a registry that holds but one collector need not know the names beforehand."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """The families of metrics, as a registry asks for them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            _PREFIX + "requests", "Requests answered; without a status, the connection ended first.",
            labels=("workload", "method", "status"),
        )  # fmt: skip
        for (method, status), count in self._meter.requests.items():
            requests.add_metric((self._workload, method, str(status) if status else ""), count)
        yield requests
        durations = HistogramMetricFamily(
            _PREFIX + "request_duration_seconds", "Seconds until the last byte of an answer, open streams apart.",
            labels=("workload",),
        )  # fmt: skip
        histogram = self._meter.durations
        buckets = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in histogram.cumulative()]
        durations.add_metric((self._workload,), buckets, histogram.total)
        yield durations
        for figure in self._figures():
            kind = CounterMetricFamily if figure.grows else GaugeMetricFamily
            family = kind(_PREFIX + figure.name, figure.meaning, labels=("workload",))
            family.add_metric((self._workload,), figure.value)
            yield family
