"""The version of this library. To ask for it where it is installed would take a program's start a tenth longer."""

from __future__ import annotations

__all__ = ("VERSION",)

VERSION = "0.1.0"
"""As in ``pyproject.toml``."""
