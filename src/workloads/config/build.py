"""How an image is built from a package, and which files of this machine are kept from a server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._base import ConfigObject
from workloads.config._convert import string_map, strings
from workloads.config._messages import got
from workloads.config._rules import each, each_entry
from workloads.config._shape import ALWAYS, HIDDEN, keep_converters
from workloads.config._styles import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("BuildConfig", "IgnoreConfig")


_PACKAGE = r"[a-zA-Z0-9][a-zA-Z0-9._+\-]{0,127}"
_VARIABLE = "[A-Z][A-Z0-9_]*"


def _check_package(name: str) -> None:
    if re.fullmatch(_PACKAGE, name) is None:
        raise ValueError(f"expected a package name of at most 128 characters, {got(name)}")


def _check_variable(name: str, _value: str) -> None:
    if re.fullmatch(_VARIABLE, name) is None:
        raise ValueError("expected a name of A-Z, 0-9 and _, beginning with a letter")


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class BuildConfig(ConfigObject):
    """How the image of a ``uvx://``, ``npx://`` or ``go://`` package was or is built (``runtime_config``).

    Attributes:
        builder_image: The image to build in, such as ``python:3.13-slim``. Default: ``""``, the builder's own.
        additional_packages: Packages of the operating system to install. Default: none.
        build_with: Further requirements of the build (PEP 508; ``uvx://`` only). Default: none.
        runtime_env: Environment variables to put into the image. Default: none.
    """

    builder_image: str = attrs.field(default="", metadata=ALWAYS)
    additional_packages: tuple[str, ...] = attrs.field(
        default=(), converter=strings, metadata=each(_check_package, _PACKAGE)
    )
    build_with: tuple[str, ...] = attrs.field(default=(), converter=strings)
    runtime_env: Mapping[str, str] = attrs.field(
        default=EMPTY_DICT,
        converter=string_map,
        metadata={**each_entry(_check_variable, _VARIABLE, "(?s:.*)"), **HIDDEN},
    )


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class IgnoreConfig(ConfigObject):
    """Which patterns of files are kept out of mounts (``ignore_config``).

    Attributes:
        load_global: Whether the user's global patterns count too. Default: False.
        print_overlays: Whether to print what is hidden. Default: False.
    """

    __wire_style__: ClassVar[Style] = Style.GO

    load_global: bool = attrs.field(default=False, metadata=ALWAYS)
    print_overlays: bool = attrs.field(default=False, metadata=ALWAYS)
