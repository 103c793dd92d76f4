"""The figures of a controller for Prometheus; needs the extra ``metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from workloads.errors import MissingDependencyError

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingDependencyError("metrics", "the metrics of scale to zero") from error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from workloads.scaletozero.status import Status

__all__ = ("ScaleToZeroCollector",)


class _Telling(Protocol):
    def status(self) -> Status:
        """What there is to tell."""
        ...


class ScaleToZeroCollector(Collector):
    """Reads the status of a controller whenever metrics are collected. Nothing is registered by itself.

    Args:
        controller: The controller, of any kind.
        name: The value of the label ``controller``; ``default`` by default.

    Example:
        >>> from prometheus_client import CollectorRegistry
        >>> from workloads.scaletozero import NoopController
        >>> registry = CollectorRegistry()
        >>> registry.register(ScaleToZeroCollector(NoopController()))
        >>> registry.get_sample_value("workloads_scaletozero_holds", {"controller": "default"})
        0.0
    """

    def __init__(self, controller: _Telling, *, name: str = "default") -> None:
        """A collector to register."""
        self._controller = controller
        self._name = name

    def describe(self) -> Iterable[Metric]:
        """Nothing: what is collected is known only then."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The metrics now."""
        status = self._controller.status()
        counts = status.counters
        for name, text, values in (
            ("toggles", "Calls of the toggler that succeeded.", (counts.disables, counts.enables)),
            ("toggle_failures", "Calls of the toggler that failed or were late.",
             (counts.failed_disables, counts.failed_enables)),
        ):  # fmt: skip
            family = CounterMetricFamily(f"workloads_scaletozero_{name}", text, labels=["controller", "verb"])
            for verb, value in zip(("disable", "enable"), values, strict=True):
                family.add_metric([self._name, verb], value)
            yield family
        owed = CounterMetricFamily(
            "workloads_scaletozero_owed_toggles", "Failures to make good.", labels=["controller"]
        )
        owed.add_metric([self._name], counts.owed)
        yield owed
        for name, text, gauge in (
            ("sleep_forbidden", "Whether sleeping is forbidden.", float(status.sleep == "forbidden")),
            ("degraded", "Whether the toggler is not known to do what it should.", float(status.degraded)),
            ("holds", "Holds.", float(len(status.holds))),
            ("disables", "Names that forbid sleeping.", float(len(status.disables))),
            ("oldest_hold_seconds", "Age of the oldest hold; 0 without one.", status.oldest_hold or 0.0),
            ("oldest_disable_seconds", "Age of the oldest disable; 0 without one.", status.oldest_disable or 0.0),
        ):
            family_of_one = GaugeMetricFamily(f"workloads_scaletozero_{name}", text, labels=["controller"])
            family_of_one.add_metric([self._name], gauge)
            yield family_of_one
