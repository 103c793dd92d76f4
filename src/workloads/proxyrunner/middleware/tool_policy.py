"""Which tools clients may see and call, and by what names. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from workloads.config import ToolFilterParameters
from workloads.proxyrunner.jsonrpc import members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.config import ToolOverride

__all__ = ("ToolPolicy",)


@attrs.frozen
class ToolPolicy:
    """What becomes of a server's tools.

    Attributes:
        shown: The only tools that there are, by their names for clients; empty for all.
        overrides: Other names and descriptions, by the server's names.
    """

    shown: frozenset[str]
    overrides: Mapping[str, ToolOverride]

    @classmethod
    def of(cls, parameters: Any) -> ToolPolicy:
        """The policy that the parameters of a middleware describe.

        Raises:
            RunConfigError: They do not describe one.
        """
        given = ToolFilterParameters.from_dict(parameters if parameters is not None else {})
        return cls(frozenset(given.filter_tools), given.tools_override)

    def listed(self, tools: list[Any]) -> list[Any]:
        """The tools of a list that clients see, as they see them."""
        return [shown for tool in tools if (shown := self._listed(members(tool))) is not None]

    def called(self, name: str) -> str | None:
        """The server's name of the tool that a client calls; None when clients have no such tool."""
        if self.shown and name not in self.shown:
            return None
        for own, override in self.overrides.items():
            if override.name == name:
                return own
        renamed = name in self.overrides and self.overrides[name].name
        return None if renamed else name

    def _listed(self, tool: dict[str, Any]) -> dict[str, Any] | None:
        own = tool.get("name")
        if not isinstance(own, str):
            return None
        override = self.overrides.get(own)
        name = (override and override.name) or own
        if self.called(name) != own:
            return None
        description = {"description": override.description} if override and override.description else {}
        return {**tool, "name": name, **description}
