"""What the target of a request says of the host it is for, where it is a whole URL. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.proxyrunner.asgi import Headers

__all__ = ("with_host_of",)

_END = re.compile(rb"[/?#]")


def with_host_of(url: bytes, headers: Headers) -> Headers:
    """The headers of a request whose target is a whole URL: what that names stands for their Host.

    That is a rule of RFC 9112, section 3.2.2. Else a client and a program on the way could disagree on what was asked.

    Args:
        url: The target, scheme and host included.
        headers: As received, names in lower case. A Host that is missing, or repeated, stays so, and is refused.
    """
    authority = _END.split(url.partition(b"://")[2], maxsplit=1)[0]
    return [(name, authority if name == b"host" else value) for name, value in headers]
