"""What runs on the server, in one step."""

from __future__ import annotations

import hashlib

import attrs

__all__ = ("PEEK", "REPLACE", "TOUCH", "Script")


@attrs.frozen
class Script:
    """A script in Lua.

    Attributes:
        text: The script.
        sha: The name under which a server that ran it once knows it.
    """

    text: str
    sha: str = attrs.field(default=attrs.Factory(lambda script: _sha(script.text), takes_self=True), init=False)


def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# A value that is no string is damaged. So is an empty one, and that is how it is told.
PEEK = Script("""
local found = {}
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then value = '' end
  found[2 * i - 1] = value
  found[2 * i] = redis.call('PTTL', key)
end
return found
""")
"""Value and remaining milliseconds of each key, in turn."""

TOUCH = Script("""
local found = {}
for i, key in ipairs(KEYS) do
  found[i] = redis.call('PEXPIRE', key, ARGV[1])
end
return found
""")
"""Let every key expire after ARGV[1] milliseconds; 1 for each that there is, 0 for others."""

REPLACE = Script("""
local current = redis.call('GET', KEYS[1])
if not current then return 0 end
if current ~= ARGV[1] then return current end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")
"""Replace the value ARGV[1] by ARGV[2] for ARGV[3] milliseconds: 1 when done, 0 when there is none, else what is."""
