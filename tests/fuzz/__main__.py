"""``python -m tests.fuzz --cases 20000 --seed 1``: play many cases; the same seed plays the same ones."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.fuzz.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="how many cases are played (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="which cases (default: others every time)")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    print(f"{options.cases} cases of seed {seed}", flush=True)
    began = time.monotonic()
    played = run(options.cases, seed, lambda played: print(played, end=" ", flush=True))
    print(f"\n{played} cases in {time.monotonic() - began:.0f} s: no 500, no hang, nothing left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
