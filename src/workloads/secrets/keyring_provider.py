"""Secrets in the keyring of the operating system."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from workloads._core.files import check_folder, read_bytes, remove, secure_folder, write_atomic
from workloads._core.paths import DEFAULT_APP
from workloads._core.records import dump_object, parse_object
from workloads.errors import CorruptStateError
from workloads.secrets.locking import only_writer
from workloads.secrets.names import check_secret_name, check_secret_value
from workloads.secrets.os_keyring import OSKeyring

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ("KeyringProvider",)


class KeyringProvider:
    """Keeps secrets in the keyring of the operating system: Secret Service, KWallet, the Keychain of macOS.

    A keyring cannot be asked what is in it. Hence the names, and nothing else, are kept in a file, too: only secrets
    that were set through the same application folder are listed, while any entry of the service is found by its name.

    Attributes:
        name: ``keyring``.
        can_list: True.
        can_write: True.
        hint: How to provide a secret that was not found.
    """

    name = "keyring"
    can_list = True
    can_write = True
    hint = "store it with `workloads secret set <name> --provider keyring`"

    def __init__(self, index: Path, *, service: str = DEFAULT_APP) -> None:
        """Keep secrets in the keyring; it is not looked for yet.

        Args:
            index: The file of names. Its lock is beside it.
            service: The service of the entries, ``workloads`` by default; their names are those of the secrets.
        """
        self._index = index
        self._keyring = OSKeyring(service)

    def get(self, name: str) -> str | None:
        """The value of a secret; None when there is none. See :meth:`workloads.secrets.SecretProvider.get`.

        Args:
            name: The secret.
        """
        return self._keyring.read(name)

    def set(self, name: str, value: str) -> None:
        """Keep a secret. See :meth:`workloads.secrets.SecretProvider.set`.

        Args:
            name: The secret.
            value: Its value.

        Raises:
            CorruptStateError: The file of names is damaged. It is left as it is.
        """
        check_secret_name(name)
        check_secret_value(name, value)
        secure_folder(self._index.parent)
        with only_writer(self._index, self.name):
            known = self._known()
            self._keyring.write(name, value)
            if name not in known:
                self._remember(known | {name})

    def delete(self, name: str) -> bool:
        """Forget a secret. See :meth:`workloads.secrets.SecretProvider.delete`; raises as :meth:`set`, too.

        Args:
            name: The secret.
        """
        if not check_folder(self._index.parent):
            return self._keyring.erase(name)
        with only_writer(self._index, self.name):
            known = self._known()
            found = self._keyring.erase(name)
            if name in known:
                self._remember(known - {name})
            return found

    def names(self) -> list[str]:
        """The names of the secrets that were set here, sorted. See :meth:`workloads.secrets.SecretProvider.names`.

        Raises:
            CorruptStateError: The file of names is damaged. It is left as it is.
        """
        # Another program may have removed an entry, or an interruption may have come between an entry and its name.
        return sorted(name for name in self._known() if self._keyring.read(name) is not None)

    def _known(self) -> frozenset[str]:
        data = read_bytes(self._index) if check_folder(self._index.parent) else None
        if data is None:
            return frozenset()
        names = parse_object(self._index, data).get("names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in cast("list[object]", names)):
            raise CorruptStateError(self._index, "holds no names; remove it, and set the secrets again")
        return frozenset(cast("list[str]", names))

    def _remember(self, names: Iterable[str]) -> None:
        if listed := sorted(names):
            write_atomic(self._index, dump_object({"names": listed}))
        else:
            remove(self._index)
