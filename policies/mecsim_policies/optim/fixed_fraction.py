"""A constant phi for all users, the parameter of several policies."""

from __future__ import annotations


class FixedFraction:
    """A policy whose only parameter is the share of the adapter that users train.

    Parameters
    ----------
    local_fraction : float
        phi of every user, in [0, 1].
    """

    def __init__(self, local_fraction: float = 0.5) -> None:
        number = isinstance(local_fraction, int | float) and not isinstance(local_fraction, bool)
        if not (number and 0 <= local_fraction <= 1):
            raise ValueError(f"local_fraction = {local_fraction!r}: must be a number from 0 to 1")
        self.local_fraction = float(local_fraction)
