"""Who sends a request, as a middleware tells it to what is behind it."""

from __future__ import annotations

__all__ = ("IDENTITY",)

IDENTITY = "workloads.identity"
"""The key of the scope under which a middleware puts the :class:`~workloads.session.Identity` that it has proven."""
