"""For ASGI servers: middleware that holds for each request, and the HTTP API of a controller."""

from __future__ import annotations

from workloads.scaletozero._control import control_app, openapi_document
from workloads.scaletozero._middleware import ScaleToZeroMiddleware
from workloads.scaletozero.bypass import Bypass

__all__ = ("Bypass", "ScaleToZeroMiddleware", "control_app", "openapi_document")
