"""What the proxy does with requests on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._base import ConfigObject
from workloads.config._convert import json_value, string_map, strings, tool_overrides
from workloads.config._rules import one
from workloads.config._shape import ALWAYS, SECRET, keep_converters
from workloads.config._tree import identity
from workloads.config.duration import parse_duration
from workloads.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workloads.config.oidc import OIDCConfig

__all__ = (
    "AuthParameters",
    "HeaderForward",
    "MiddlewareConfig",
    "ToolFilterParameters",
    "ToolOverride",
    "Webhook",
    "WebhookTLS",
)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class MiddlewareConfig(ConfigObject):
    """One link of the chain that requests go through (``middleware_configs``); the first is the outermost.

    Attributes:
        type: What it is, such as ``bodylimit``. Required.
        parameters: Its settings, any JSON value, read-only. Default: None.
    """

    type: str
    parameters: Any = attrs.field(  # pyright: ignore[reportUnknownVariableType]  # any JSON value it is
        default=None, converter=json_value, eq=identity, metadata=SECRET
    )


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class ToolOverride(ConfigObject):
    """How a tool is shown to clients; at least one of the two must be given.

    Attributes:
        name: Its name for clients. Default: ``""``, its own.
        description: Its description for clients. Default: ``""``, its own.
    """

    name: str = ""
    description: str = ""

    def __cross_problems__(self) -> Sequence[Problem]:
        return () if self.name or self.description else (Problem("", "needs a name or a description"),)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class ToolFilterParameters(ConfigObject):
    """The ``parameters`` of the middlewares ``tool-filter`` and ``tool-call-filter``.

    Attributes:
        filter_tools: The only tools that clients have, by their names for clients. Default: none, which means all.
        tools_override: Other names and descriptions of tools, by their own names. Default: none.
    """

    filter_tools: tuple[str, ...] = attrs.field(default=(), converter=strings)
    tools_override: Mapping[str, ToolOverride] = attrs.field(default=EMPTY_DICT, converter=tool_overrides)

    def __cross_problems__(self) -> Sequence[Problem]:
        names = [override.name for override in self.tools_override.values() if override.name]
        repeated = sorted({name for name in names if names.count(name) > 1})
        return [Problem("tools_override", f"gives several tools the name {name!r}") for name in repeated]


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class AuthParameters(ConfigObject):
    """The ``parameters`` of the middleware ``auth``.

    Attributes:
        oidc_config: How tokens are validated. Default: None, which the middleware refuses.
    """

    oidc_config: OIDCConfig | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class HeaderForward(ConfigObject):
    """Headers to add to requests to a remote server (``header_forward``).

    Attributes:
        add_plaintext_headers: Header to value. Default: none.
        add_headers_from_secret: Header to the name of the secret that holds its value. Default: none.
    """

    add_plaintext_headers: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map, metadata=SECRET)
    add_headers_from_secret: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class WebhookTLS(ConfigObject):
    """TLS towards a webhook.

    Attributes:
        ca_bundle_path: A file of certificate authorities. Default: ``""``, the system's.
        client_cert_path: A file with the certificate to show. Default: ``""``, none.
        client_key_path: A file with its key. Default: ``""``, none.
        insecure_skip_verify: Whether to trust any server. Default: False.
    """

    ca_bundle_path: str = ""
    client_cert_path: str = ""
    client_key_path: str = ""
    insecure_skip_verify: bool = False


def _check_timeout(value: int | str) -> None:
    if isinstance(value, str):
        parse_duration(value)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class Webhook(ConfigObject):
    """A service that is asked about requests (``validating_webhooks``, ``mutating_webhooks``).

    This build carries them, and refuses to run with them.

    Attributes:
        name: Its name. Default: ``""``.
        url: Where it is. Default: ``""``.
        timeout: How long it may take: a Go duration, or a number of nanoseconds. Default: 0, its own default.
        failure_policy: What to do without an answer: ``fail`` or ``ignore``. Default: ``""``.
        tls_config: TLS towards it. Default: None.
        hmac_secret_ref: The secret to sign requests with. Default: ``""``, none.
    """

    name: str = attrs.field(default="", metadata=ALWAYS)
    url: str = attrs.field(default="", metadata=ALWAYS)
    timeout: int | str = attrs.field(default=0, metadata={**ALWAYS, **one(_check_timeout, "")})
    failure_policy: str = attrs.field(default="", metadata=ALWAYS)
    tls_config: WebhookTLS | None = None
    hmac_secret_ref: str = attrs.field(default="", metadata=SECRET)
