"""Pictures. Every function takes and returns matplotlib axes and shows nothing unless asked."""

from __future__ import annotations

from ._control import control
from ._phase_portrait import phase_portrait
from ._velocity_arrows import velocity_arrows
from ._velocity_grid import velocity_grid
from ._velocity_stream import velocity_stream

__all__ = ["control", "phase_portrait", "velocity_arrows", "velocity_grid", "velocity_stream"]
