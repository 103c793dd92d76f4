"""A certificate authority of a test's own, and a server's certificate of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """Its files: what to trust, and what a server of this machine shows.

    Args:
        folder: Where they go.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.trusted = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        authority.cert_pem.write_to_path(str(self.trusted))
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(self.certificate)
        )

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context
