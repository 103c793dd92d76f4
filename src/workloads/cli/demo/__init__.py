"""``workloads demo``: three real servers from nothing, used and gone again in half a minute."""
