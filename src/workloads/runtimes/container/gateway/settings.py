"""What the program is told by its arguments: a role, and a JSON object. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

from workloads.runtimes.container.gateway.policy import Policy

__all__ = ("DNS_PORT", "DOOR", "EGRESS", "FOLDER", "PROXY_PORT", "READY", "Settings", "arguments", "parse")

EGRESS, DOOR = "egress", "door"
FOLDER = "/run/gateway"
"""Where the volume is that the two containers share."""
PROXY_PORT, DNS_PORT = 3128, 53
"""Where the door listens, for the server."""
READY = b"ready"
"""What is written when everything listens."""


class Settings(NamedTuple):
    """What one of the two does.

    Attributes:
        role: ``egress`` or ``door``.
        policy: What may be reached.
        ports: Ports of the server that lead in.
        names: Names by which the server may be reached besides loopback's; empty when any is fine.
    """

    role: str
    policy: Policy
    ports: tuple[int, ...]
    names: tuple[str, ...]


def arguments(settings: Settings) -> list[str]:
    """The arguments from which :func:`parse` makes the settings again. They hold no secrets."""
    document = {"policy": settings.policy._asdict(), "ports": settings.ports, "names": settings.names}
    return [settings.role, json.dumps(document, separators=(",", ":"))]


def parse(role: str, text: str) -> Settings:
    """Read arguments.

    Args:
        role: ``egress`` or ``door``.
        text: The JSON object.

    Raises:
        ValueError: They are not what :func:`arguments` makes.
    """
    if role not in (EGRESS, DOOR):
        raise ValueError(f"expected {EGRESS} or {DOOR}, got {role!r}")
    try:
        document = json.loads(text)
        policy = Policy(**document["policy"])
        policy = policy._replace(hosts=tuple(policy.hosts), ports=tuple(policy.ports), refused=tuple(policy.refused))
        return Settings(role, policy, tuple(document["ports"]), tuple(document["names"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"settings of another version: {error}") from error
