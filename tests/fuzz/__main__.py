"""Damage many inputs of every reader, and count what came of them.

    python -m tests.fuzz --number 5000
    python -m tests.fuzz --number 200 --readers loom h5ad --show different

The exit status is 1 if an input hung, crashed, or raised an error that is not ours.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.fuzz.harness import ALLOWED, outcomes
from tests.fuzz.inputs import INPUTS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--readers", nargs="+", default=list(INPUTS), choices=list(INPUTS))
    parser.add_argument("--show", nargs="*", default=[], help="outcomes to show, one by one")
    options = parser.parse_args()
    bad = 0
    for reader in options.readers:
        counts: Counter[str] = Counter()
        started = time.time()
        for one in outcomes(reader, range(options.start, options.start + options.number)):
            counts[one.kind] += 1
            wrong = one.kind not in ALLOWED
            bad += wrong
            if wrong or one.kind in options.show:
                print(f"  {one.kind} {one.number}: {one.done} -> {one.detail[:300]!r}", flush=True)
        found = ", ".join(f"{kind} {n:,}" for kind, n in counts.most_common())
        print(f"{reader:<20}{found}  ({time.time() - started:.0f} s)", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
