"""What the global options of one call of the command said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

    from workloads.manager import Manager
    from workloads.managers import LocalManager

__all__ = ("Invocation",)


@attrs.define
class Invocation:
    """The global options, and what follows from them.

    Attributes:
        debug: Show debug logs, and tracebacks of errors.
        runtime: The runtime for new workloads; None lets it be detected.
        state_dir: The folder that keeps all state; None is the user's own.
    """

    debug: bool = False
    runtime: str | None = None
    state_dir: Path | None = None

    def manager(self) -> Manager:
        """A manager as the options ask for.

        Raises:
            RuntimeNotFoundError: No runtime has the name asked for.
            RuntimeUnavailableError: It cannot be used here.
        """
        from workloads.factory import Settings, new_manager

        settings = None if self.state_dir is None else Settings(state_dir=self.state_dir.absolute())
        return new_manager(self.runtime, settings=settings)

    def local_manager(self) -> LocalManager:
        """A manager as the options ask for, for what only the manager of this machine can do.

        Raises:
            UnsupportedOperationError: The options ask for one of another place.
        """
        from workloads.errors import UnsupportedOperationError
        from workloads.managers import LocalManager

        manager = self.manager()
        if not isinstance(manager, LocalManager):
            raise UnsupportedOperationError("this command", "it is for workloads of this machine only")
        return manager
