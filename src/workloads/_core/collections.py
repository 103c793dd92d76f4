"""Collections that do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("EMPTY_DICT", "ReadOnlyDict", "read_only")

K = TypeVar("K")
V = TypeVar("V")


def _raise(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise TypeError("this mapping is read-only; change a copy: dict(mapping)")


_refuse: Any = _raise  # untyped, because each method it stands for has another signature


class ReadOnlyDict(dict[K, V]):
    """A dict that refuses every change, so that it can be shared and hashed.

    It is a ``dict`` to ``json``, ``**`` and ``isinstance``. ``dict(it)`` and ``it.copy()`` give a plain copy that may
    be changed; :func:`copy.copy`, :func:`copy.deepcopy` and :mod:`pickle` keep the type. It can be hashed when its
    values can.

    Example:
        >>> ReadOnlyDict({"a": 1})["a"]
        1
    """

    __slots__ = ()

    __setitem__ = _refuse
    __delitem__ = _refuse
    __ior__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse
    setdefault = _refuse
    update = _refuse

    # A dict has no hash because it can change; this one cannot.
    def __hash__(self) -> int:  # type: ignore[override]  # dict declares it as None
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would fill an empty one item by item.
        return type(self), (dict(self),)

    def __copy__(self) -> ReadOnlyDict[K, V]:
        return self


EMPTY_DICT: ReadOnlyDict[Any, Any] = ReadOnlyDict()
"""The one empty read-only dict that defaults share."""


def read_only(mapping: Mapping[Any, Any]) -> ReadOnlyDict[Any, Any]:
    """The mapping itself when it cannot change, else a copy that cannot.

    Args:
        mapping: Any mapping.
    """
    return mapping if isinstance(mapping, ReadOnlyDict) else ReadOnlyDict(mapping)
