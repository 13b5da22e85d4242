"""A proved upper bound of the SCR of an instance, and the prices of its proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mecsim.overview import Overview, Shown
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, frozen


@dataclass(frozen=True, eq=False, slots=True)
class Prices:
    """What one more unit of each server's budgets is worth by the bound, and the prices of the proof.

    The worth is the derivative of the bound. It is not the price of a share, since the score counts shares
    of a server's own budget and more of the budget makes every share smaller.

    Parameters
    ----------
    per_mhz, per_w, per_tflops : (M,) float
        SCR for one more MHz of bandwidth, W of transmit power, TFLOP/s of each GPU.
    share_price : (M, 3) float
        Score that all of the bandwidth, power and GPU speed of a server costs those who share it.
    delay_price : (N,) float
        Part of the price of the delay that counts that is due to each user; the sum is 1, or all are 0.
    """

    per_mhz: Floats
    per_w: Floats
    per_tflops: Floats
    share_price: Floats
    delay_price: Floats

    def __post_init__(self) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, frozen(getattr(self, name)))


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Bound(Shown):
    """An upper bound of the SCR that is proved, with the best allocation known.

    Parameters
    ----------
    upper_bound : float
        No allocation of the instance has a larger SCR.
    allocation : Allocation
        The best allocation known.
    scr : float
        Its SCR.
    nodes : int
        How many nodes were bounded: 1 without branch and bound.
    cpu_s : float
        CPU time in s, the search for an allocation included.
    prices : Prices or None
        None where the bound needs none.
    assumed : tuple of str
        What the proof takes for granted.
    reason : str
        Why the bound needs no prices; empty where it has some.
    """

    upper_bound: float
    allocation: Allocation
    scr: float
    nodes: int
    cpu_s: float
    prices: Prices | None
    assumed: tuple[str, ...]
    reason: str = ""

    @property
    def certified(self) -> bool:
        """Whether the bound is proved: always, since else there is an error and no bound."""
        return True

    @property
    def gap(self) -> float:
        """How far the allocation can be from the best, ``upper_bound / scr - 1``."""
        return gap_to(self.upper_bound, self.scr)

    def overview(self) -> Overview:
        """Return the bound, the best allocation known, and how far apart they are."""
        rows = [
            ("upper bound", f"{self.upper_bound:.6g}"),
            ("best known SCR", f"{self.scr:.6g}"),
            ("gap", f"{100.0 * self.gap:.3g} %"),
            ("proof", f"{self.nodes} nodes, {self.cpu_s:.3g} s of CPU time"),
            *(("taken for granted", each) for each in self.assumed),
        ]
        return Overview("Bound of the SCR", rows)


class EpochBound(NamedTuple):
    """The bound of one decision: NaN where none is proved; its prices are None where it needs none."""

    upper_bound: float
    prices: Prices | None


def gap_to(upper_bound: float, scr: float) -> float:
    """Return ``upper_bound / scr - 1``; infinite for an SCR of 0, and 0 if the bound is 0 as well."""
    if scr > 0.0:
        return upper_bound / scr - 1.0
    return 0.0 if upper_bound == 0.0 else float("inf")
