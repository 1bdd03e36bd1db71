"""Do intervals and tests hold what they promise? Measured on simulated counts whose truth is known.

python benchmarks/calibration quick
    Some of coverage, groups and directions, for use after a change: under three minutes.
python benchmarks/calibration coverage [--seeds 20] [--cells 2000 8000] [--methods crossfit]
    Share of intervals that hold the true ratio, for every condition. Beside crossfit --methods
    names what is measured: the sandwich with the naive standard error, thinned counts.
python benchmarks/calibration groups [--seeds 20] [--layouts mixed apart] [--contrasts matched]
    How often the tests of two conditions reject equal ratios, and ratios of which one is 1.5 times
    the other (--factors), for conditions that are mixed, lie apart, lack late cells, have different
    depths, and small strata.
python benchmarks/calibration samples [--seeds 20] [--each 3 6] [--between 0 0.1 0.2 0.4]
    The same with samples as units, beside a t-test, in the precise and the imprecise half of genes.
python benchmarks/calibration pancreas FILE [--seeds 10]
    The same on random halves of real counts, and how many of 20 changed genes are found.
python benchmarks/calibration directions [--seeds 20] [--basis plane | umap]
    How often a cell's or a cluster's direction is called determined where nothing moves, and where
    cells move, how often the interval of an angle holds the direction that noiseless counts give.
    "plane" are the first two principal components.
python benchmarks/calibration moments [--seeds 10] [--spreads 0 0.3 0.6]
    Bias of ratios of the deterministic fit and of first and second moments together, scVelo's and
    exact ones, and what their intervals hold, for several spreads of library sizes.
python benchmarks/calibration failures [--seeds 10]
    What happens where an assumption does not hold, and the size of the test of an offset.

Data sets are numbered, and all random draws of one are children of its number's SeedSequence. A
line is a condition; ± is three Monte Carlo standard errors, taken over data sets. The exit status
is 1 if a promise is broken by more than these.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import _coverage
import _directions
import _failures
import _groups
import _moments
import _pancreas
import _samples

QUICK = (
    "coverage --seeds 2 --cells 2000 --neighbors 30 --depths 1 --dispersions 0 --methods sandwich",
    "groups --seeds 2 --layouts mixed --depths 1 --dispersions 0.5",
    "directions --seeds 2 --depths 0.3 --dispersions 0.5",
)


def quick(_) -> bool:
    """Run the small set, all of it even where a promise is broken."""
    started, kept = time.time(), []
    for command in QUICK:
        print(command)
        options = arguments().parse_args(command.split())
        kept.append(options.run(options))
    print(f"{time.time() - started:.0f} s")
    return all(kept)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("quick").set_defaults(run=quick)

    def command(name, run, n_seeds):
        added = commands.add_parser(name)
        added.add_argument("--seeds", type=int, default=n_seeds, help="number of data sets")
        added.set_defaults(run=run)
        return added

    def over_counts(name, run):
        added = command(name, run, 20)
        added.add_argument("--depths", type=float, nargs="+", default=[0.3, 1.0])
        added.add_argument("--dispersions", type=float, nargs="+", default=[0.0, 0.5])
        return added

    one = over_counts("coverage", _coverage.run)
    one.add_argument("--cells", type=int, nargs="+", default=[2000, 8000])
    one.add_argument("--neighbors", type=int, nargs="+", default=[15, 30, 60])
    methods = _coverage.METHODS
    one.add_argument("--methods", nargs="+", default=methods, choices=methods)
    one.add_argument("--out", type=Path)
    two = over_counts("groups", _groups.run)
    two.add_argument("--layouts", nargs="+", default=_groups.LAYOUTS, choices=_groups.LAYOUTS)
    two.add_argument("--factors", type=float, nargs="+", default=[1.0, 1.5])
    samples = command("samples", _samples.run, 20)
    samples.add_argument("--each", type=int, nargs="+", default=[3, 6])
    samples.add_argument("--between", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.4])
    moments = command("moments", _moments.run, 10)
    moments.add_argument("--places", nargs="+", default=_moments.PLACES, choices=_moments.PLACES)
    moments.add_argument("--dispersions", type=float, nargs="+", default=[0.0, 0.5])
    moments.add_argument("--spreads", type=float, nargs="+", default=[0.0, 0.3, 0.6])
    moments.add_argument("--first", type=int, default=0, help="number of the first data set")
    real = command("pancreas", _pancreas.run, 10)
    real.add_argument("path", metavar="FILE")
    contrasts = _groups.CONTRASTS
    for added in (two, samples, real):
        added.add_argument("--contrasts", nargs="+", default=contrasts, choices=contrasts)
    for added in (two, samples, real):
        added.add_argument("--first", type=int, default=0, help="number of the first data set")
    three = over_counts("directions", _directions.run)
    three.add_argument("--basis", default="plane", choices=_directions.BASES)
    motions = _directions.MOTIONS
    three.add_argument("--motions", nargs="+", default=motions, choices=motions)
    four = command("failures", _failures.run, 10)
    known = list(_failures.FAILURES)
    four.add_argument("--which", nargs="+", default=known, choices=known)
    return parser


if __name__ == "__main__":
    chosen = arguments().parse_args()
    sys.exit(0 if chosen.run(chosen) else 1)
