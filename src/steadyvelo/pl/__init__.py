"""Pictures. Every function takes and returns matplotlib axes and shows nothing by itself."""

from __future__ import annotations

from ._phase_portrait import phase_portrait
from ._velocity_stream import velocity_stream

__all__ = ["phase_portrait", "velocity_stream"]
