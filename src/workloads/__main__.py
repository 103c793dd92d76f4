"""``python -m workloads``: the ``workloads`` command."""

from __future__ import annotations

import sys

from workloads.cli import main

if __name__ == "__main__":
    sys.exit(main())
