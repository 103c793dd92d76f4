"""The keyring of the operating system: the one module that uses ``keyring``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import attrs

from workloads.errors import MissingDependencyError, SecretStoreLockedError, SecretStoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("OSKeyring",)

T = TypeVar("T")

_PROVIDER = "keyring"


class _Backend(Protocol):
    """What is used of a backend; their own base class is only partly typed."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


@attrs.frozen
class OSKeyring:
    """The entries of one service in the keyring, by name.

    Every operation raises ``MissingDependencyError`` when the extra ``secrets`` is not installed,
    ``SecretStoreLockedError`` when the keyring is locked, and ``SecretStoreUnavailableError`` when this machine has
    none or it refuses.

    Attributes:
        service: The service, in the words of keyrings.
    """

    service: str

    def read(self, name: str) -> str | None:
        """The value of an entry; None when there is none."""
        return _attempt(lambda: _backend().get_password(self.service, name))

    def write(self, name: str, value: str) -> None:
        """Keep an entry, in the place of an earlier one of that name."""
        _attempt(lambda: _backend().set_password(self.service, name, value), quote=False)
        if self.read(name) != value:
            # There are backends that take everything and keep nothing.
            backend = type(_backend())
            raise SecretStoreUnavailableError(
                _PROVIDER, f"{backend.__module__}.{backend.__qualname__} does not keep what it is given; set up another"
            )

    def erase(self, name: str) -> bool:
        """Forget an entry; returns whether there was one."""
        if self.read(name) is None:  # backends have one error for this and for refusing
            return False
        _attempt(lambda: _backend().delete_password(self.service, name))
        return True


def _attempt(operation: Callable[[], T], *, quote: bool = True) -> T:
    """Do something with the keyring; ``quote`` tells whether the words of its errors may be repeated."""
    try:
        from keyring.errors import KeyringLocked, NoKeyringError
    except ImportError as error:
        raise MissingDependencyError("secrets", "the keyring") from error
    failure: SecretStoreUnavailableError
    try:
        return operation()
    except KeyringLocked:
        failure = SecretStoreLockedError(_PROVIDER, "it is locked; unlock it, and let this program use it")
    except NoKeyringError:
        failure = SecretStoreUnavailableError(
            _PROVIDER, "this machine has no keyring, or none that is open to this session; use another provider"
        )
    except Exception as error:  # noqa: BLE001  # backends raise what their systems do
        words = f"{type(error).__name__}: {error}" if quote else type(error).__name__
        failure = SecretStoreUnavailableError(_PROVIDER, f"it refused ({words})")
    # Not raised above, where the backend's error, which may hold the value, would become its context.
    raise failure


def _backend() -> _Backend:
    import keyring

    return cast("_Backend", keyring.get_keyring())
