"""What a group is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from workloads._core.collections import EMPTY_DICT, read_only

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("Group",)

_KEYS = frozenset({"name", "registered_clients"})


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen
class Group:
    """A named set of workloads. Which workloads belong to it stands in their run configs.

    Attributes:
        name: Its name.
        registered_clients: The client programs that ToolHive configured for it.
        extra: What else its writer knows about it.
    """

    name: str
    registered_clients: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    extra: Mapping[str, Any] = attrs.field(default=EMPTY_DICT, converter=read_only, kw_only=True, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The group as a JSON object."""
        return {**self.extra, "name": self.name, "registered_clients": list(self.registered_clients)}

    @classmethod
    def from_dict(cls, name: str, document: Mapping[str, Any]) -> Group:
        """The group in a JSON object.

        Args:
            name: The name it is stored under, which counts.
            document: The object.

        Raises:
            ValueError: A value cannot be right.
        """
        clients = document.get("registered_clients")
        if clients is None:
            clients = []
        if not isinstance(clients, list) or not all(
            isinstance(client, str) for client in cast("list[object]", clients)
        ):
            raise ValueError("registered_clients: expected a list of strings")
        extra = {key: value for key, value in document.items() if key not in _KEYS}
        return cls(name, cast("list[str]", clients), extra=extra)
