"""A request to the bridge: what HTTP brought, and the message in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from workloads.proxyrunner.asgi import header
from workloads.proxyrunner.identity import IDENTITY
from workloads.proxyrunner.jsonrpc import INVALID_REQUEST, PARSE_ERROR, Kind, Message, kind_of, members, read, usable_id
from workloads.proxyrunner.protocol import HEADER_MISMATCH, LEGACY, VERSION_KEY
from workloads.proxyrunner.replies import Reply, error_body, json_reply, refusal

if TYPE_CHECKING:
    from typing import Any

    from workloads.proxyrunner.asgi import ClientConnection, Headers, Receive, Scope, Send
    from workloads.proxyrunner.jsonrpc import Id
    from workloads.session import Identity

__all__ = ("Accepts", "BridgeRequest", "RefusedRequestError", "parse_message")

_JSON = ("application/json", "application/*", "*/*")
_STREAM = ("text/event-stream", "text/*", "*/*")


class RefusedRequestError(Exception):
    """A request that goes no further.

    Attributes:
        reply: What to answer.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")


@attrs.frozen
class Accepts:
    """The forms of an answer that a client can read.

    Attributes:
        json: Whether it reads JSON.
        stream: Whether it reads a stream of events.
        stream_first: Whether it reads both, and names the stream first.
    """

    json: bool
    stream: bool
    stream_first: bool = False


@attrs.define
class BridgeRequest:
    """One request.

    Attributes:
        scope: The ASGI scope.
        receive: The ASGI callable.
        send: The ASGI callable.
        connection: The client's connection.
        message: The message that was posted; empty unless it is a POST.
        kind: What the message is.
        size: Bytes of its body.
    """

    scope: Scope
    receive: Receive
    send: Send
    connection: ClientConnection
    message: Message = attrs.field(factory=dict[str, "Any"])
    kind: Kind | None = None
    size: int = 0

    @property
    def headers(self) -> Headers:
        """The headers, names in lower case."""
        found: Headers = self.scope["headers"]
        return found

    @property
    def id(self) -> Id:
        """The id of the request posted."""
        found: Id = self.message["id"]
        return found

    @property
    def method(self) -> str:
        """The method of the message posted; empty for a response."""
        found: str = self.message.get("method", "")
        return found

    @property
    def params(self) -> dict[str, Any] | None:
        """The parameters of the message posted; None when it has none."""
        return self.message.get("params")

    @property
    def identity(self) -> Identity | None:
        """Who sends it, where a middleware has proven that."""
        return self.scope.get(IDENTITY)

    @property
    def version(self) -> str | None:
        """The protocol version that the request claims; None when it claims none.

        Raises:
            RefusedRequestError: It claims several.
        """
        try:
            return self.single(b"mcp-protocol-version")
        except ValueError as error:
            raise self.refuse(400, INVALID_REQUEST, str(error)) from None

    @property
    def modern(self) -> bool:
        """Whether it is of the era without sessions; an unknown version counts as such.

        Raises:
            RefusedRequestError: That is not certain.
        """
        version = self.version
        if version is None and VERSION_KEY in members(members(self.params).get("_meta")):
            raise self.refuse(400, HEADER_MISMATCH, "Missing header mcp-protocol-version")
        return version is not None and version not in LEGACY

    @property
    def accepts(self) -> Accepts:
        """The forms of an answer that the client can read; without an Accept header, any."""
        values = [value.decode("latin-1") for name, value in self.headers if name == b"accept"]
        ranges = [item.partition(";")[0].strip().lower() for value in values for item in value.split(",")]
        if not any(ranges):
            return Accepts(json=True, stream=True)
        json = next((place for place, item in enumerate(ranges) if item in _JSON), None)
        stream = next((place for place, item in enumerate(ranges) if item in _STREAM), None)
        return Accepts(
            json=json is not None,
            stream=stream is not None,
            stream_first=json is not None and stream is not None and stream < json,
        )

    def single(self, name: bytes) -> str | None:
        """The value of a header that may come once; None when it is absent.

        Raises:
            ValueError: It comes several times.
        """
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise ValueError(f"Header {name.decode()} is repeated")
        return found[0].decode("latin-1") if found else None

    def refuse(
        self, status: int, code: int, message: str, data: Any = None, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> RefusedRequestError:
        """The error to raise so that the request gets this JSON-RPC error, with its own id.

        Args:
            status: The HTTP status.
            code: The JSON-RPC error code.
            message: What is wrong, one sentence.
            data: More about it.
            headers: More headers.
        """
        if self.kind is Kind.NOTIFICATION:
            return RefusedRequestError(json_reply(status, b"", *headers))
        return RefusedRequestError(
            json_reply(status, error_body(self.message.get("id"), code, message, data), *headers)
        )


def parse_message(headers: Headers, body: bytes) -> tuple[Message, Kind]:
    """The message in a body. What is no message never reaches a server, which would not answer it.

    Raises:
        RefusedRequestError: There is none.
    """
    media_type = (header(headers, b"content-type") or b"").partition(b";")[0].strip().lower()
    try:
        value = read(body)
    except ValueError:
        raise RefusedRequestError(refusal(400, PARSE_ERROR, "Parse error", request=body)) from None
    if isinstance(value, list):
        raise RefusedRequestError(refusal(400, INVALID_REQUEST, "Batches are not supported"))
    if media_type != b"application/json":
        reply = refusal(415, INVALID_REQUEST, "Content-Type must be application/json", request=body)
        raise RefusedRequestError(reply)
    message = members(value)
    kind = kind_of(message)
    if kind is None:
        # Whatever it is, somebody may wait for an answer: one that names no id is better than none.
        reply = json_reply(
            400, error_body(usable_id(message.get("id")), INVALID_REQUEST, "Not a valid JSON-RPC message")
        )
        raise RefusedRequestError(reply)
    return message, kind
