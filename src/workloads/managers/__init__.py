"""Managers: the verbs of :mod:`workloads.manager`, carried out."""

from workloads.managers.local import LocalManager
from workloads.managers.settings import Settings

__all__ = ("LocalManager", "Settings")
