"""What a server may read, write and reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads.config._base import ConfigObject
from workloads.config._convert import integers, strings
from workloads.config._rules import MOUNTS, PORTS
from workloads.config._shape import keep_converters

if TYPE_CHECKING:
    from typing import Self

__all__ = ("InboundPermissions", "NetworkPermissions", "OutboundPermissions", "PermissionProfile")


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class OutboundPermissions(ConfigObject):
    """Where a server may connect to.

    Attributes:
        insecure_allow_all: Anywhere; the two lists mean nothing then. Default: False.
        allow_host: Host names and addresses; a leading dot also allows every subdomain. An address that is not public
            is reached only when it is listed itself. Default: none, which is every public host if there are ports.
        allow_port: Port numbers. Default: none, which is every port if there are hosts.
    """

    insecure_allow_all: bool = False
    allow_host: tuple[str, ...] = attrs.field(default=(), converter=strings)
    allow_port: tuple[int, ...] = attrs.field(default=(), converter=integers, metadata=PORTS)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class InboundPermissions(ConfigObject):
    """By which names a server may be reached.

    Attributes:
        allow_host: Host names; a leading dot also allows every subdomain. Default: none.
    """

    allow_host: tuple[str, ...] = attrs.field(default=(), converter=strings)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class NetworkPermissions(ConfigObject):
    """A server's network.

    Attributes:
        mode: ``""``, ``bridge`` and ``default`` are networks that this library manages; ``none``, ``host`` and other
            names are the container engine's. Default: ``""``.
        outbound: Where it may connect to. Default: None, nowhere when isolated.
        inbound: By which names it may be reached. Default: None.
    """

    mode: str = ""
    outbound: OutboundPermissions | None = None
    inbound: InboundPermissions | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class PermissionProfile(ConfigObject):
    """What a server may do outside of itself.

    Attributes:
        name: Its name, for people. Default: ``""``.
        read: Mounts that it may read: ``path``, ``host:container`` or ``volume://name:container``. Default: none.
        write: Mounts that it may also write. ``container://rootfs:/`` stands for the container's own file system, which
            it otherwise only reads, but for ``/tmp``, ``/var/tmp`` and ``/run``. Default: none.
        privileged: Whether it has every right a container can have. Default: False.
        network: Its network. Default: None.
    """

    name: str = ""
    read: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=MOUNTS)
    write: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=MOUNTS)
    privileged: bool = False
    network: NetworkPermissions | None = None

    @classmethod
    def builtin(cls, name: str) -> Self:
        """A profile that needs no file.

        Args:
            name: ``none`` (or ``stdio``, the same) allows nothing; ``network`` allows every outgoing connection.

        Raises:
            LookupError: There is none of that name.
        """
        if name in ("none", "stdio"):
            return cls(name=name)
        if name == "network":
            allow_all = OutboundPermissions(insecure_allow_all=True)
            return cls(name=name, network=NetworkPermissions(outbound=allow_all))
        raise LookupError(f"no built-in permission profile {name!r}; there are none, network and stdio")
