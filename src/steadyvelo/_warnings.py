"""The category of all warnings of this package, and the error for data without velocity genes."""

__all__ = ["NoVelocityGenesError", "SteadyveloWarning"]


class SteadyveloWarning(UserWarning):
    """A warning about the data or the result.

    Use :func:`warnings.simplefilter` to silence it or to turn it into an error.
    """


class NoVelocityGenesError(ValueError):
    """The data have too little splicing signal for velocities."""
