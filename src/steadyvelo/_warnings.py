"""The category of every warning this package gives, and the error that is no mistake."""

__all__ = ["NoVelocityGenesError", "SteadyveloWarning"]


class SteadyveloWarning(UserWarning):
    """Something about the data or the result that the user should know.

    Filter it with :func:`warnings.simplefilter` to silence or to raise.
    """


class NoVelocityGenesError(ValueError):
    """The data hold too little splicing signal for velocities; no other call would mend that."""
