"""Where a replica listens."""

from __future__ import annotations

import attrs

__all__ = ("ReplicaAddress",)


@attrs.frozen
class ReplicaAddress:
    """Where a replica's HTTP server listens.

    Attributes:
        host: An IP address or a name.
        port: The port.
    """

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
