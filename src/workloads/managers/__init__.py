"""Managers: the verbs of :mod:`workloads.manager`, carried out. Names are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.lazy import exports

if TYPE_CHECKING:
    from workloads.managers.local import LocalManager
    from workloads.managers.settings import Settings

__all__ = ("LocalManager", "Settings")

__getattr__, __dir__ = exports(__name__, {"local": ("LocalManager",), "settings": ("Settings",)})
