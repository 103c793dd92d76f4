"""Figures of a controller, as Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.support.idle import ManualClock, Toggler

from workloads.scaletozero import Backoff, DebouncedController


@pytest.mark.needs("metrics")
def test_what_happened_is_counted_and_what_is_old_is_told():
    import prometheus_client

    from workloads.scaletozero.metrics import ScaleToZeroCollector

    toggler, clock = Toggler(), ManualClock()
    toggler.plan("enable", OSError("no"))
    with DebouncedController(toggler, cooldown=0, clock=clock, backoff=Backoff(first=60)) as controller:
        registry = prometheus_client.CollectorRegistry()
        registry.register(ScaleToZeroCollector(controller, name="mine"))

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"workloads_scaletozero_{name}", {"controller": "mine", **labels})

        controller.acquire().release()
        assert value("toggles_total", verb="disable") == 1
        assert value("toggles_total", verb="enable") == 0
        assert value("toggle_failures_total", verb="enable") == 1
        assert value("owed_toggles_total") == 1
        assert value("degraded") == 1
        controller.disable()
        with controller.hold():
            clock.now += 5
            assert value("sleep_forbidden") == 1
            assert (value("holds"), value("disables")) == (1, 1)
            assert (value("oldest_hold_seconds"), value("oldest_disable_seconds")) == (5, 5)
        assert value("oldest_hold_seconds") == 0


def test_without_the_extra_the_error_names_it():
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "try:\n    import workloads.scaletozero.metrics\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (
        done.stdout == "the metrics of scale to zero needs an optional dependency: pip install 'workloads[metrics]'\n"
    )
