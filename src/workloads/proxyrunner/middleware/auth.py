"""``auth``: only who shows an access token of the configured issuer gets through, and is then known to what follows.

The proxy is a resource server of OAuth 2.1 as MCP has it: tokens come in the ``Authorization`` header (RFC 6750), and
who has none is told where to get one (RFC 9728).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workloads.config import AuthParameters
from workloads.errors import Problem, RunConfigError
from workloads.proxyrunner.asgi import respond
from workloads.proxyrunner.body import body_to_refuse
from workloads.proxyrunner.identity import IDENTITY
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST
from workloads.proxyrunner.middleware.tokens import InvalidTokenError, IssuerUnavailableError, TokenValidator
from workloads.proxyrunner.replies import Reply, json_reply, refusal, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads.config import OIDCConfig
    from workloads.proxyrunner.asgi import Application, Headers, Receive, Scope, Send
    from workloads.proxyrunner.middleware.protocol import Middleware, MiddlewareContext

__all__ = ("make",)

_METADATA_PATH = "/.well-known/oauth-protected-resource"
_SCHEME = b"bearer "


def make(parameters: Any, _context: MiddlewareContext) -> Middleware:
    """The middleware for the parameter ``oidc_config``."""
    config = AuthParameters.from_dict(parameters if parameters is not None else {}).oidc_config
    if config is None:
        raise RunConfigError([Problem("oidc_config", "required: whose tokens are accepted")])
    if problems := list(_problems(config)):
        raise RunConfigError(problems)
    validator = TokenValidator(config)
    return lambda application: _Auth(application, config, validator)


def _problems(config: OIDCConfig) -> Iterator[Problem]:
    """What is wrong between the keys; their paths are those of the run config's own objects."""
    if not config.issuer:
        yield Problem("oidc_config.Issuer", "required: whose tokens are accepted")
    if not config.audience and not config.resource_url:
        yield Problem("oidc_config.Audience", "required, or ResourceURL: a token for another service must not do here")
    if config.introspection_url:
        yield Problem("oidc_config.IntrospectionURL", "this version validates JWTs only; remove it")
    for key, url in (("Issuer", config.issuer), ("JWKSURL", config.jwks_url)):
        scheme = urlsplit(url).scheme
        if url and scheme != "https" and not (scheme == "http" and config.insecure_allow_http):
            yield Problem(f"oidc_config.{key}", "must begin with https://, or set InsecureAllowHTTP")


class _Auth:
    def __init__(self, application: Application, config: OIDCConfig, validator: TokenValidator) -> None:
        self._application = application
        self._validator = validator
        self._scopes = " ".join(config.scopes)
        self._metadata = _metadata(config)
        self._metadata_url = _metadata_url(config.resource_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if self._metadata is not None and (path == _METADATA_PATH or path.startswith(_METADATA_PATH + "/")):
            await respond(send, self._metadata)
            return
        token = _bearer(scope["headers"])
        try:
            identity = await self._validator.identity(token) if token is not None else None
        except InvalidTokenError as error:
            await respond(send, self._challenge(str(error), await body_to_refuse(scope, receive)))
            return
        except IssuerUnavailableError:
            body = await body_to_refuse(scope, receive)
            await respond(send, unavailable("The issuer of tokens cannot be reached", request=body))
            return
        if identity is None:
            await respond(send, self._challenge("", await body_to_refuse(scope, receive)))
            return
        # The token is for this proxy: a server that got it could use it in the client's name.
        headers = [item for item in scope["headers"] if item[0] != b"authorization"]
        await self._application({**scope, "headers": headers, IDENTITY: identity}, receive, send)

    def _challenge(self, reason: str, request: bytes | None) -> Reply:
        parameters = {"resource_metadata": self._metadata_url, "scope": self._scopes}
        if reason:
            parameters |= {"error": "invalid_token", "error_description": reason}
        shown = ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value)
        header = (b"www-authenticate", f"Bearer {shown}".rstrip().encode())
        return refusal(401, INVALID_REQUEST, reason or "An access token is needed", request=request, headers=(header,))


def _bearer(headers: Headers) -> str | None:
    """The access token of a request; None when there is none, or more than one header that may hold it."""
    found = [value for name, value in headers if name == b"authorization"]
    if len(found) != 1 or found[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    return found[0][len(_SCHEME) :].strip().decode("latin-1")


def _metadata(config: OIDCConfig) -> Reply | None:
    """What clients are told of the protected resource (RFC 9728, section 3.2); None when it has no name."""
    if not config.resource_url:
        return None
    document: dict[str, Any] = {
        "resource": config.resource_url,
        "authorization_servers": [config.issuer],
        "bearer_methods_supported": ["header"],
    }
    if config.scopes:
        document["scopes_supported"] = list(config.scopes)
    return json_reply(200, json.dumps(document).encode(), (b"access-control-allow-origin", b"*"))


def _metadata_url(resource: str) -> str:
    """Where the metadata of a resource is: its path comes after the well-known one (RFC 9728, section 3.1)."""
    if not resource:
        return ""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{_METADATA_PATH}{parts.path.rstrip('/')}"
