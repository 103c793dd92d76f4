"""How tokens of incoming requests are validated."""

from __future__ import annotations

from typing import ClassVar

import attrs

from workloads.config._base import ConfigObject
from workloads.config._convert import strings
from workloads.config._shape import ALWAYS, SECRET, keep_converters
from workloads.config._styles import Style

__all__ = ("OIDCConfig",)


@attrs.frozen(kw_only=True, repr=False, field_transformer=keep_converters, slots=False)
class OIDCConfig(ConfigObject):
    """Validation of access tokens by OpenID Connect (``oidc_config``, or the middleware ``auth``).

    Attributes:
        issuer: The issuer's URL. Default: ``""``.
        audience: The audience a token must be for. Default: ``""``.
        jwks_url: Where the issuer's keys are. Default: ``""``, as the issuer says.
        client_id: The client that introspects. Default: ``""``.
        client_secret: Its secret. Default: ``""``.
        ca_cert_path: A file of certificate authorities. Default: ``""``, the system's.
        auth_token_file: A file with a bearer token for fetching keys. Default: ``""``.
        allow_private_ip: Whether the issuer may have a private address. Default: False.
        insecure_allow_http: Whether the issuer may be without TLS. Default: False.
        introspection_url: Where opaque tokens are introspected. Default: ``""``.
        resource_url: The resource that clients are told of. Default: ``""``.
        scopes: The scopes that clients are told of. Default: none.
    """

    __wire_style__: ClassVar[Style] = Style.GO

    issuer: str = attrs.field(default="", metadata=ALWAYS)
    audience: str = attrs.field(default="", metadata=ALWAYS)
    jwks_url: str = attrs.field(default="", metadata=ALWAYS)
    client_id: str = attrs.field(default="", metadata=ALWAYS)
    client_secret: str = attrs.field(default="", metadata={**ALWAYS, **SECRET})
    ca_cert_path: str = attrs.field(default="", metadata=ALWAYS)
    auth_token_file: str = attrs.field(default="", metadata=ALWAYS)
    allow_private_ip: bool = attrs.field(default=False, metadata=ALWAYS)
    insecure_allow_http: bool = attrs.field(default=False, metadata=ALWAYS)
    introspection_url: str = attrs.field(default="", metadata=ALWAYS)
    resource_url: str = attrs.field(default="", metadata=ALWAYS)
    scopes: tuple[str, ...] = attrs.field(default=(), converter=strings, metadata=ALWAYS)
