"""The ids of sessions. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid

__all__ = ("new_session_id", "session_key")

# What Go's uuid.Parse takes, and ToolHive therefore uses as it is; 6ba7b810-... is uuid.NAMESPACE_DNS.
_HEX = "[0-9a-f]"
_PLAIN = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_UUID = re.compile(rf"(?:urn:uuid:)?{_PLAIN}|\{{{_PLAIN}\}}|{_HEX}{{32}}", re.IGNORECASE | re.ASCII)


def new_session_id() -> str:
    """An id that nobody can guess."""
    return str(uuid.uuid4())


def session_key(session_id: str) -> str:
    """The id under which a session is kept: a UUID stays as it is, anything else becomes one, always the same.

    Args:
        session_id: The id as a client or a server names it.
    """
    if _UUID.fullmatch(session_id):
        return session_id
    # As uuid.uuid5, which refuses what a header of other bytes than UTF-8 becomes.
    name = session_id.encode("utf-8", "surrogateescape")
    digest = hashlib.sha1(uuid.NAMESPACE_DNS.bytes + name, usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))
