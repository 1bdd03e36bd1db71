"""Seconds of `steadyvelo run` as a whole process, first and later runs.

    python benchmarks/run_time.py FILE.h5ad --runs 4 --spliced-size nCount_spliced

Other options go to `steadyvelo run`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--runs", type=int, default=4)
    arguments, options = parser.parse_known_args()
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.h5ad"
        command = [sys.executable, "-m", "steadyvelo", "run", arguments.file, "--out", target]
        for run in range(arguments.runs):
            started = time.perf_counter()
            done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
            print(f"run {run + 1}: {seconds[-1]:.1f} s")
    print(done.stdout)
    if len(seconds) > 1:
        print(f"median of runs 2 to {len(seconds)}: {statistics.median(seconds[1:]):.1f} s")


if __name__ == "__main__":
    main()
