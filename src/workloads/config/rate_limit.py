"""How many calls a client may make."""

from __future__ import annotations

from typing import ClassVar

import attrs

from workloads.config._base import ConfigObject
from workloads.config._convert import tool_limits
from workloads.config._rules import INT32
from workloads.config._shape import ALWAYS, keep_converters
from workloads.config._styles import Style

__all__ = ("RateLimitBucket", "RateLimitConfig", "ToolRateLimit")


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class RateLimitBucket(ConfigObject):
    """A token bucket.

    Attributes:
        max_tokens: How many calls may come at once. Default: 0.
        refill_period: How long an empty bucket takes to fill, a Go duration. Default: ``""``.
    """

    __wire_style__: ClassVar[Style] = Style.CAMEL_CASE

    max_tokens: int = attrs.field(default=0, metadata={**ALWAYS, **INT32})
    refill_period: str = attrs.field(default="", metadata=ALWAYS)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class ToolRateLimit(ConfigObject):
    """Limits of one tool.

    Attributes:
        name: The tool. Default: ``""``.
        shared: For all users together. Default: None.
        per_user: For each user. Default: None.
    """

    __wire_style__: ClassVar[Style] = Style.CAMEL_CASE

    name: str = attrs.field(default="", metadata=ALWAYS)
    shared: RateLimitBucket | None = None
    per_user: RateLimitBucket | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class RateLimitConfig(ConfigObject):
    """Limits of a workload (``rate_limit_config``). This build carries them, and refuses to run with them.

    Attributes:
        shared: For all users together. Default: None.
        per_user: For each user. Default: None.
        tools: Further limits of single tools. Default: none.
    """

    __wire_style__: ClassVar[Style] = Style.CAMEL_CASE

    shared: RateLimitBucket | None = None
    per_user: RateLimitBucket | None = None
    tools: tuple[ToolRateLimit, ...] = attrs.field(default=(), converter=tool_limits)
