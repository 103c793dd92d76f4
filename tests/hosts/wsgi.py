"""A WSGI application that runs workloads; it answers with what was not as it should be, a JSON list."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.embedded import embed

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    faults = embed()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(faults).encode()]
