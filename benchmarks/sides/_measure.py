"""Seconds and peak memory of steps in one process; needs no package but the standard ones.

Processor seconds are those of all threads. A single thread whose seconds are many more was kept
waiting by other processes.
"""

from __future__ import annotations

import gc
import json
import time
from contextlib import contextmanager
from pathlib import Path


def memory(field: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at its highest since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


class Steps:
    """Seconds and peaks of memory per step, with the memory before the first."""

    def __init__(self) -> None:
        self.before = memory("VmRSS")
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.peaks: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str):
        # a full search for unused objects takes 0.2 seconds in processes that imported so much, and
        # would add to the time of one step by chance
        gc.collect()
        # lets the highest mark of memory begin anew
        Path("/proc/self/clear_refs").write_text("5")
        started, used = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = time.perf_counter() - started
        self.processor[name] = time.process_time() - used
        self.peaks[name] = memory("VmHWM")

    def write(self, path: Path, **more: float) -> None:
        found = {"seconds": self.seconds, "processor": self.processor, "peaks": self.peaks}
        path.write_text(json.dumps({**found, "before": self.before, **more}))
