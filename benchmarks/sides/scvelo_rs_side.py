"""The side of scvelo-rs in `side_by_side.py`; runs in an environment that it has for itself.

python scvelo_rs_side.py {steps,run} INPUT.h5ad FOLDER MODE

scvelo-rs has fit, velocity and graph of its own. Everything else, such as smoothing, transition
matrix and pictures, it passes on to scVelo, as its users do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import scvelo_rs
from _scvelo_steps import ScveloSteps

part, source, folder, mode = sys.argv[1:]
getattr(ScveloSteps(scvelo_rs, "scvelo_rs", mode), part)(source, Path(folder))
