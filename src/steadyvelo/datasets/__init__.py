"""Simulated data with known truth."""

from ._simulate import simulate

__all__ = ["simulate"]
