"""The category of every warning this package gives."""

__all__ = ["SteadyveloWarning"]


class SteadyveloWarning(UserWarning):
    """Something about the data or the result that the user should know.

    Filter it with :func:`warnings.simplefilter` to silence or to raise.
    """
