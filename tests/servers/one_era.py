"""Runs another server on standard input and output, and refuses the opening of the era that it is told to refuse.

``one_era.py legacy SERVER`` makes of a server that speaks both eras one of the old era, ``modern`` one of the new era.
"""

from __future__ import annotations

import json
import subprocess
import sys

REFUSED = {
    "legacy": ("server/discover", {"code": -32601, "message": "Method not found"}),
    "modern": ("initialize", {"code": -32022, "message": "Unsupported protocol version"}),
}


def main() -> int:
    method, error = REFUSED[sys.argv[1]]
    with subprocess.Popen([sys.executable, sys.argv[2]], stdin=subprocess.PIPE) as server:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("method") == method:
                print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
            else:
                server.stdin.write(line)
                server.stdin.flush()
        server.stdin.close()
    return server.returncode


if __name__ == "__main__":
    sys.exit(main())
