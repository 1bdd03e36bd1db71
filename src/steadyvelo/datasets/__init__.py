"""Data with known truth."""

from __future__ import annotations

from ._simulate import simulate

__all__ = ["simulate"]
