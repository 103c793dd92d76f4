"""Validates the access tokens of one issuer. Keys are fetched when they are first needed, and kept."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cachetools import LRUCache

from workloads.errors import MissingDependencyError
from workloads.proxyrunner.threads import in_thread
from workloads.session import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwt import PyJWKClient

    from workloads.config import OIDCConfig

__all__ = ("InvalidTokenError", "IssuerUnavailableError", "TokenValidator")

# Signatures that need a private key of the issuer's. None is of the kind that the published key could make.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY = 30.0
_TIMEOUT = 10.0
_KEPT = 10_000
_KEPT_FOR = 60.0
_MAX_DOCUMENT = 2**20


class InvalidTokenError(Exception):
    """A token that is not accepted; the message says why and holds nothing of it."""


class IssuerUnavailableError(Exception):
    """It cannot be told whether a token is valid, because the issuer's keys cannot be had."""


class TokenValidator:
    """Tells who shows a token.

    A token that was found valid is taken for valid for a minute, or until it expires, without another look.

    Args:
        config: The issuer, and what its tokens must say.
        clock: The time, in seconds.

    Raises:
        MissingDependencyError: The extra ``auth`` is not installed.
    """

    def __init__(self, config: OIDCConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; nothing is fetched yet."""
        try:
            import jwt
        except ImportError as error:
            raise MissingDependencyError("auth", "jwt") from error
        self._jwt = jwt
        self._config = config
        self._clock = clock
        self._keys: asyncio.Future[PyJWKClient] | None = None
        self._known: LRUCache[bytes, tuple[float, Identity]] = LRUCache(_KEPT)

    async def identity(self, token: str) -> Identity:
        """Who shows this token.

        Raises:
            InvalidTokenError: It is not accepted.
            IssuerUnavailableError: The issuer's keys cannot be had.
        """
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        until, identity = self._known.get(digest, (0.0, None))
        if identity is not None and self._clock() < until:
            return identity
        keys = await self._opened()
        claims = await in_thread(self._claims, keys, token)
        try:
            identity = Identity(issuer=self._config.issuer, subject=claims["sub"])
        except ValueError:
            raise InvalidTokenError("The token is not valid") from None
        self._known[digest] = self._clock() + min(_KEPT_FOR, claims["exp"] - time.time()), identity
        return identity

    async def _opened(self) -> PyJWKClient:
        """The keys, looked for once for all who wait: in turn, the last would wait as often as there are others."""
        keys = self._keys
        if keys is None:
            keys = self._keys = in_thread(self._find_keys)
            keys.add_done_callback(self._looked)
        return await asyncio.shield(keys)

    def _looked(self, keys: asyncio.Future[PyJWKClient]) -> None:
        if keys.exception() is not None:
            self._keys = None  # whoever comes next looks again

    def _find_keys(self) -> PyJWKClient:
        """Learn where the issuer's keys are (OpenID Connect Discovery 1.0, section 4). Blocks."""
        config = self._config
        context = ssl.create_default_context(cafile=config.ca_cert_path or None)
        url = config.jwks_url
        if not url:
            url = str(self._fetch(config.issuer.rstrip("/") + "/.well-known/openid-configuration", context)["jwks_uri"])
            if urlsplit(url).scheme != "https" and not config.insecure_allow_http:
                raise IssuerUnavailableError("the issuer's keys are not at https://")
        self._check_address(url)
        return self._jwt.PyJWKClient(url, headers=self._headers(), timeout=_TIMEOUT, ssl_context=context)

    def _fetch(self, url: str, context: ssl.SSLContext) -> dict[str, Any]:
        self._check_address(url)
        opener = urllib.request.build_opener(_NoRedirect(), urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(url, headers=self._headers())  # noqa: S310  # the scheme was checked
        try:
            with opener.open(request, timeout=_TIMEOUT) as response:
                document: dict[str, Any] = json.loads(response.read(_MAX_DOCUMENT))
                document["jwks_uri"]
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            raise IssuerUnavailableError(f"the issuer's configuration cannot be read: {error!r}") from None
        return document

    def _headers(self) -> dict[str, str]:
        path = self._config.auth_token_file
        try:
            return {"Authorization": f"Bearer {Path(path).read_text().strip()}"} if path else {}
        except OSError as error:
            raise IssuerUnavailableError(f"the token for the issuer cannot be read: {error!r}") from None

    def _check_address(self, url: str) -> None:
        """Refuse an address of a private network, unless it is allowed: the issuer's document may name any."""
        if self._config.allow_private_ip:
            return
        host = urlsplit(url).hostname or ""
        try:
            found = socket.getaddrinfo(host, None)
        except OSError as error:
            raise IssuerUnavailableError(f"{host} cannot be looked up: {error!r}") from None
        for *_, address in found:
            if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
                raise IssuerUnavailableError(f"{host} has a private address; set AllowPrivateIP to allow that")

    def _claims(self, keys: PyJWKClient, token: str) -> dict[str, Any]:
        """The claims of a token. Blocks where keys must be fetched."""
        jwt, config = self._jwt, self._config
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token),
                algorithms=list(_ALGORITHMS),
                audience=config.audience or config.resource_url,
                issuer=config.issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise IssuerUnavailableError("the issuer's keys cannot be fetched") from error
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("The token has expired") from None
        except jwt.InvalidAudienceError:
            raise InvalidTokenError("The token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise InvalidTokenError("The token is of another issuer") from None
        except (jwt.PyJWTError, ValueError):
            raise InvalidTokenError("The token is not valid") from None
        return claims


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:  # noqa: ARG002
        """A redirect could lead anywhere."""
        return
