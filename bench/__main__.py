"""``python -m bench``: measure, print tables, write plots and figures to ``bench/out``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench import harness

BENCHMARKS = (
    "first_use",
    "decode",
    "listing",
    "proxy",
    "mcp_calls",
    "sessions",
    "coherence",
    "session_soak",
    "proxy_idle",
    "scaletozero",
    "waking",
    "idle_soak",
    "bridge",
    "watching",
    "containers",
)
OUT = Path(__file__).parent / "out"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run of {', '.join(BENCHMARKS)}; all by default"
    )
    parser.add_argument(
        "--rounds", type=int, default=harness.ROUNDS, help="how many rounds count (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one object instead of tables")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    documents = [harness.measured(name, options.rounds) for name in options.names or BENCHMARKS]
    OUT.mkdir(exist_ok=True)
    for document in documents:
        if not options.json:
            print(harness.table(document), end="\n\n")
        if plot := document.get("plot"):
            drawn = harness.bars(plot["title"], plot["values"], plot["unit"])
            OUT.joinpath(f"{document['name'].replace(' ', '-')}.svg").write_text(drawn, encoding="utf-8")
    text = json.dumps({document["name"]: document for document in documents}, indent=2)
    OUT.joinpath("figures.json").write_text(text + "\n", encoding="utf-8")
    if options.json:
        print(text)
    failed = [failure for document in documents for failure in harness.failures(document)]
    for failure in failed:
        print(failure, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
