"""An issuer of access tokens: real keys, published by a real server on this machine."""

from __future__ import annotations

import http.server
import json
import threading
import time
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from workloads.config import OIDCConfig


class Issuer:
    """Signs tokens, and counts how often its documents are fetched."""

    def __init__(self) -> None:
        self.url = ""
        self.down = False
        self.fetched: list[str] = []
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        """Publish, and from now on sign with, a new key only."""
        self.keys = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def token(self, *, key: Any = None, kid: str = "", algorithm: str = "RS256", **claims: Any) -> str:
        """A token that is valid unless these claims make it otherwise; None leaves a claim out."""
        now = int(time.time())
        content = {"iss": self.url, "sub": "ana", "aud": "notes", "iat": now, "exp": now + 600} | claims
        content = {name: value for name, value in content.items() if value is not None}
        own, private = next(iter(self.keys.items()))
        return jwt.encode(content, key or private, algorithm=algorithm, headers={"kid": kid or own})

    def bearer(self, subject: str, **claims: Any) -> tuple[str, str]:
        """The header of a request of somebody's."""
        return "authorization", f"Bearer {self.token(sub=subject, **claims)}"

    @property
    def oidc(self) -> OIDCConfig:
        """What a proxy is told of it."""
        return OIDCConfig(issuer=self.url, audience="notes", insecure_allow_http=True, allow_private_ip=True)

    def document(self, path: str) -> Any:
        """What is published at a path."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            keys = ((kid, RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)) for kid, key in self.keys.items())
            return {"keys": [{**jwk, "kid": kid, "use": "sig", "alg": "RS256"} for kid, jwk in keys]}
        return None


@contextmanager
def running_issuer():
    """An issuer on a free port of this machine."""
    issuer = Issuer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched.append(self.path)
            document = None if issuer.down else issuer.document(self.path)
            body = json.dumps(document).encode()
            self.send_response(503 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
