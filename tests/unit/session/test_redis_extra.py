"""Without the extra: said when a storage is made, and not before."""

from __future__ import annotations

import subprocess
import sys


def test_a_missing_client_library_is_named_when_a_storage_is_made():
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from workloads.session import MissingDependencyError, RedisStorage\n"
        "for make in (lambda: RedisStorage.from_url('redis://cache', ttl=1), lambda: RedisStorage(None, ttl=1)):\n"
        "    try: make()\n"
        "    except MissingDependencyError as error: print(error.extra)\n"
    ).replace(
        "workloads.session import MissingDependencyError,",
        "workloads import MissingDependencyError\nfrom workloads.session import",
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["redis", "redis"]
