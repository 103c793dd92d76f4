"""What an aggregator finds: the workloads of a group, each as a backend to connect to."""

from workloads.discovery.model import Backend, BackendEvent, BackendHealth
from workloads.discovery.protocols import BackendDiscoverer
from workloads.discovery.readers import ReaderDiscoverer

__all__ = ("Backend", "BackendDiscoverer", "BackendEvent", "BackendHealth", "ReaderDiscoverer")
