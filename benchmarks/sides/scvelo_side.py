"""scVelo's side of `side_by_side.py`; runs in scVelo's own environment.

python scvelo_side.py {steps,neighbors,run} INPUT.h5ad FOLDER MODE
"""

from __future__ import annotations

import sys
from pathlib import Path

import scvelo
from _scvelo_steps import ScveloSteps

part, source, folder, mode = sys.argv[1:]
getattr(ScveloSteps(scvelo, "scvelo", mode), part)(source, Path(folder))
