"""How the proxy proves to a remote server who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from workloads._core.collections import EMPTY_DICT
from workloads.config._base import ConfigObject
from workloads.config._convert import json_list, string_map, strings
from workloads.config._rules import PORT
from workloads.config._shape import ALWAYS, SECRET, keep_converters
from workloads.config._styles import LegacyStyle, Style
from workloads.config._tree import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("RemoteAuthConfig",)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class RemoteAuthConfig(ConfigObject):
    """OAuth or a bearer token towards a remote server (``remote_auth_config``).

    Old files have Go's names as keys, told by ``ClientID``; they are read and written so. This build carries it, and
    refuses to run with it.

    Attributes:
        client_id: The OAuth client. Default: ``""``.
        client_secret: Its secret, or rather a reference to it. Default: ``""``.
        client_secret_file: A file that holds it. Default: ``""``.
        scopes: The scopes to ask for. Default: none.
        skip_browser: Whether to print the address instead of opening it. Default: False.
        timeout: How long a person may take, in nanoseconds. Default: 0.
        callback_port: Where the answer is waited for. Default: 0, which means 8666.
        use_pkce: Whether to use PKCE. Default: False.
        resource: The resource the token is for (RFC 8707). Default: ``""``.
        issuer: The issuer's URL. Default: ``""``.
        authorize_url: Where a person authorises. Default: ``""``, as the issuer says.
        token_url: Where tokens are fetched. Default: ``""``, as the issuer says.
        headers: Descriptions of headers, JSON objects from a registry. Default: none.
        env_vars: Descriptions of environment variables, JSON objects from a registry. Default: none.
        oauth_params: Further parameters of the authorisation. Default: none.
        scope_param_name: The parameter that scopes are sent in. Default: ``""``, ``scope``.
        bearer_token: A token instead of OAuth, or rather a reference to it. Default: ``""``.
        bearer_token_file: A file that holds it. Default: ``""``.
        cached_refresh_token_ref: The secret that holds the refresh token. Default: ``""``.
        cached_token_expiry: When the token expires, RFC 3339. Default: ``""``.
        cached_client_id: The client that was registered. Default: ``""``.
        cached_client_secret_ref: The secret that holds its secret. Default: ``""``.
        cached_secret_expiry: When that expires, RFC 3339. Default: ``""``.
        cached_reg_token_ref: The secret that holds its registration token. Default: ``""``.
        cached_cimd_client_id: The client's metadata document. Default: ``""``.
        cached_reg_client_uri: Where its registration is managed. Default: ``""``.
        cached_token_auth_method: How it authenticates. Default: ``""``.
        cached_dcr_callback_port: The port it was registered with. Default: 0.
    """

    __legacy_style__: ClassVar[LegacyStyle | None] = LegacyStyle("ClientID", Style.GO)

    client_id: str = ""
    client_secret: str = attrs.field(default="", metadata=SECRET)
    client_secret_file: str = ""
    scopes: tuple[str, ...] = attrs.field(default=(), converter=strings)
    skip_browser: bool = False
    timeout: int = 0
    callback_port: int = attrs.field(default=0, metadata=PORT)
    use_pkce: bool = attrs.field(default=False, metadata=ALWAYS)
    resource: str = ""
    issuer: str = ""
    authorize_url: str = ""
    token_url: str = ""
    headers: tuple[Any, ...] = attrs.field(default=(), converter=json_list, eq=identity, metadata=SECRET)
    env_vars: tuple[Any, ...] = attrs.field(default=(), converter=json_list, eq=identity, metadata=SECRET)
    oauth_params: Mapping[str, str] = attrs.field(default=EMPTY_DICT, converter=string_map, metadata=SECRET)
    scope_param_name: str = ""
    bearer_token: str = attrs.field(default="", metadata=SECRET)
    bearer_token_file: str = ""
    cached_refresh_token_ref: str = ""
    cached_token_expiry: str = ""
    cached_client_id: str = ""
    cached_client_secret_ref: str = ""
    cached_secret_expiry: str = ""
    cached_reg_token_ref: str = ""
    cached_cimd_client_id: str = ""
    cached_reg_client_uri: str = ""
    cached_token_auth_method: str = ""
    cached_dcr_callback_port: int = attrs.field(default=0, metadata=PORT)
