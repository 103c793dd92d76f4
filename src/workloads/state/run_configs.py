"""Run configs on disk, from which workloads can be started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workloads._core.cache import RecordCache
from workloads._core.records import SUFFIX, RecordFolder
from workloads.config.names import check_workload_name
from workloads.config.run_config import RunConfig
from workloads.errors import CorruptStateError, Problem, RunConfigError

if TYPE_CHECKING:
    from workloads._core.paths import Paths

__all__ = ("RunConfigStore",)

_PROPOSED = f"+proposed{SUFFIX}"  # no name holds a '+', so it is never taken for another workload's


class RunConfigStore:
    """One file for each run config, ``<base name>.json``, as ToolHive keeps them. Reads never write.

    Every operation raises ``InvalidNameError`` for what cannot be a name, ``InsecureStateError`` when others could
    have changed the folder, and ``StateError`` when the system refuses it.
    """

    def __init__(self, paths: Paths) -> None:
        """Use the run configs of an application directory; nothing is read or created yet."""
        self._records = RecordFolder(paths.runconfigs, paths.state, check_workload_name)

    def save(self, config: RunConfig) -> None:
        """Write a run config, in the place of the one that has its base name.

        Args:
            config: What to write. It is on the disk, whole, when this returns.

        Raises:
            RunConfigError: It holds text that no file can.
        """
        self._records.write(config.effective_base_name, _dump(config))

    def propose(self, config: RunConfig) -> None:
        """Write a run config beside the one that has its base name, to be adopted once it is proven.

        Args:
            config: What to write.
        """
        self._records.write(config.effective_base_name, _dump(config), _PROPOSED)

    def proposed(self, base_name: str) -> RunConfig | None:
        """The run config that was proposed and neither adopted nor withdrawn; None when there is none.

        Args:
            base_name: The base name.

        Raises:
            CorruptStateError: The file is damaged. It is left as it is.
        """
        return self._load(base_name, _PROPOSED)

    def has_proposal(self, base_name: str) -> bool:
        """Whether a run config was proposed and neither adopted nor withdrawn, damaged or not.

        Args:
            base_name: The base name.
        """
        return self._records.exists(base_name, _PROPOSED)

    def adopt(self, base_name: str) -> None:
        """Put the proposed run config in the place of the stored one, in one step.

        Args:
            base_name: The base name.
        """
        self._records.rename(base_name, _PROPOSED)

    def withdraw(self, base_name: str) -> bool:
        """Remove the proposed run config.

        Args:
            base_name: The base name.

        Returns:
            Whether there was one.
        """
        return self._records.remove(base_name, _PROPOSED)

    def load(self, base_name: str) -> RunConfig | None:
        """The run config of a base name; None when there is none.

        Args:
            base_name: The base name.

        Raises:
            CorruptStateError: The file is damaged. It is left as it is.
        """
        return self._load(base_name)

    def delete(self, base_name: str) -> bool:
        """Remove the run config of a base name.

        Args:
            base_name: The base name.

        Returns:
            Whether there was one.
        """
        return self._records.remove(base_name)

    def cache(self) -> RecordCache[RunConfig]:
        """All of them in memory, for who wants to see them again and again."""
        return RecordCache(self._records, self._parse)

    def names(self) -> list[str]:
        """The base names that have a run config, damaged or not, sorted."""
        return self._records.names()

    def _load(self, base_name: str, suffix: str = SUFFIX) -> RunConfig | None:
        data = self._records.read(base_name, suffix)
        return None if data is None else self._parse(base_name, data, suffix)

    def _parse(self, base_name: str, data: bytes, suffix: str = SUFFIX) -> RunConfig:
        try:
            return RunConfig.from_json(data)
        except RunConfigError as error:
            path = self._records.path(base_name, suffix)
            listed = "; ".join(str(problem) for problem in error.problems)
            raise CorruptStateError(path, f"is not a run config: {listed}; repair or remove it") from error


def _dump(config: RunConfig) -> bytes:
    try:
        return config.to_json().encode()
    except UnicodeEncodeError as error:
        # It could not be read again.
        raise RunConfigError([Problem("", "holds half of a surrogate pair, which is not Unicode text")]) from error
