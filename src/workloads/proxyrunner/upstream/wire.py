"""A request as bytes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("LAST_CHUNK", "chunk", "request_head")

LAST_CHUNK = b"0\r\n\r\n"
"""What ends a body in chunks."""

_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


def request_head(
    method: str, target: bytes, authority: bytes, headers: Iterable[tuple[bytes, bytes]], length: int | None
) -> bytes:
    """The head of a request, its empty line included.

    Args:
        method: The HTTP method.
        target: Path and query, encoded as they shall go out.
        authority: The value of ``Host``.
        headers: All others, names in lower case, as they shall go out.
        length: Bytes of the body; None when they are not known, so that it goes out in chunks.
    """
    framed = False
    lines = [b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (method.encode(), target, authority)]
    for item in headers:
        if item[0] == b"content-length":
            framed = True
        lines.append(b"%s: %s\r\n" % item)
    if length is None:
        lines.append(b"transfer-encoding: chunked\r\n")
    elif not framed and (length or method in _WITH_BODY):
        # To say that there is no body is due where one is usual (RFC 9110, section 8.6).
        lines.append(b"content-length: %d\r\n" % length)
    lines.append(b"\r\n")
    return b"".join(lines)


def chunk(part: bytes) -> bytes:
    """A part of a body in chunks; it must not be empty."""
    return b"%x\r\n%s\r\n" % (len(part), part)
