"""A registry of this machine with one image, which gives the second half of it only when it is told to."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.support import images

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry(ThreadingHTTPServer):
    """Serves the image with busybox.

    Attributes:
        image: Its reference.
        go_on: Set it to have the second half.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.image = f"localhost:{self.server_port}/busybox:1"
        self.go_on = threading.Event()
        tar = images.busybox().tar
        assert isinstance(tar, bytes)
        # Not compressed by much, so that there is something to fetch.
        self.layer = gzip.compress(tar, 0)
        about = {"Cmd": ["idle"], "Env": ["PATH=/bin"]}
        root = {"type": "layers", "diff_ids": [_digest(tar)]}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": about, "rootfs": root}).encode()
        self.blobs = {_digest(self.layer): self.layer, _digest(config): config}
        described = [
            {"mediaType": kind, "size": len(blob), "digest": _digest(blob)}
            for kind, blob in ((_CONFIG, config), (_LAYER, self.layer))
        ]
        document = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described[0], "layers": described[1:]}
        self.manifest = json.dumps(document).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if "/manifests/" in self.path:
            self._answer(self.server.manifest, _MANIFEST)
        elif name in self.server.blobs:
            self._answer(self.server.blobs[name], "application/octet-stream")
        else:
            self._answer(b"{}", "application/json")

    do_HEAD = do_GET  # noqa: N815  # its name there

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # likewise
        """Say nothing."""

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        self.wfile.write(body[:half])
        if body is self.server.layer:
            self.server.go_on.wait(60)
        self.wfile.write(body[half:])


@contextmanager
def serving() -> Iterator[Registry]:
    """Serve it."""
    with Registry() as registry:
        thread = threading.Thread(target=registry.serve_forever, name="registry")
        thread.start()
        try:
            yield registry
        finally:
            registry.go_on.set()
            registry.shutdown()
            thread.join()
