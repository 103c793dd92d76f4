"""The client side of the proxy: an HTTP/1.1 client that sends what it is given, adds nothing and collects nothing.

It is our own because it was measured: of the ready clients for asyncio the leanest spends twice the time on a request,
and none lets every byte pass that a header may have. The parser is httptools, as on the side of the clients.
"""

from __future__ import annotations

from workloads.proxyrunner.upstream.answer import Answer
from workloads.proxyrunner.upstream.client import Upstream
from workloads.proxyrunner.upstream.connection import Asker, ServerConnection
from workloads.proxyrunner.upstream.errors import BadAnswerError, ConnectFailedError, ResetError, StreamCutError
from workloads.proxyrunner.upstream.remote import RemoteUpstream
from workloads.proxyrunner.upstream.wire import request_head

__all__ = (
    "Answer",
    "Asker",
    "BadAnswerError",
    "ConnectFailedError",
    "RemoteUpstream",
    "ResetError",
    "ServerConnection",
    "StreamCutError",
    "Upstream",
    "request_head",
)
