"""Several replicas of a server, and where their sessions are kept."""

from __future__ import annotations

import attrs

from workloads.config._base import ConfigObject
from workloads.config._rules import INT32
from workloads.config._shape import keep_converters

__all__ = ("ScalingConfig", "SessionRedis")


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class SessionRedis(ConfigObject):
    """The Redis or Valkey that replicas share their sessions in. Its password is never in a run config.

    Attributes:
        address: ``host:port``. Default: ``""``, none.
        db: The number of the database. Default: 0.
        key_prefix: What every key begins with. Default: ``""``, chosen when it runs.
    """

    address: str = ""
    db: int = attrs.field(default=0, metadata=INT32)
    key_prefix: str = ""


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class ScalingConfig(ConfigObject):
    """How many replicas there are, as ToolHive writes it.

    Attributes:
        backend_replicas: The number of replicas. Default: None, which leaves it unmanaged; 0 is a number.
        session_redis: Where sessions are kept. Default: None, in memory.
    """

    backend_replicas: int | None = attrs.field(default=None, metadata=INT32)
    session_redis: SessionRedis | None = None
