"""Branch and bound: an upper bound that is as close to the best allocation found as it is asked to be."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Alternatives
from mecsim_policies.bound.cells import Cell, all_cells, branch, ends_of, within_budgets
from mecsim_policies.bound.dual import Dual, Multipliers
from mecsim_policies.bound.proof import Proof, certified
from mecsim_policies.bound.rounding import Rounded
from mecsim_policies.bound.search import Stage, optimised, proved
from mecsim_policies.optim.ends import polish_from_ends
from mecsim_policies.optim.joint import polish
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price

_OF_NODE = (Stage(5e-4, 20),)
_ROUGH_GAP = 1e-4
_MOST_ROUNDINGS = 40
_WORTHWHILE = 0.2


class Solved(NamedTuple):
    """What branch and bound has proved.

    Parameters
    ----------
    point : Point
        The best allocation found.
    scr_upper : float
        No allocation has a larger SCR.
    nodes : int
        How many nodes were bounded.
    within : bool
        Whether the gap that was asked for is reached.
    multipliers : Multipliers
        The prices of the root.
    """

    point: Point
    scr_upper: float
    nodes: int
    within: bool
    multipliers: Multipliers


def never() -> bool:
    """Return that there is time left."""
    return False


def branch_and_bound(
    instance: Instance,
    best: Point,
    *,
    within: float,
    max_nodes: int,
    allowed: NDArray[np.bool_],
    stop: Callable[[], bool] = never,
) -> Solved:
    """Return an upper bound of the SCR, and the best point found on the way.

    Parameters
    ----------
    instance : Instance
        One whose laws :func:`mecsim_policies.bound.upper.uncovered` does not list.
    best : Point
        The best known, with an SCR above 0.
    within : float
        The gap to reach, ``scr_upper / scr - 1``.
    max_nodes : int
        After how many nodes to give up.
    allowed : (N, M) bool
        Which servers each user may have.
    stop : callable
        Asked before each node whether to give up.
    """
    return _Tree(instance, best, within, allowed).grown(max_nodes, stop)


@dataclass(eq=False)
class _Tree:
    """The open nodes with the largest bound first, and what could not be split any more."""

    instance: Instance
    best: Point
    within: float
    allowed: NDArray[np.bool_]
    nodes: int = 0
    left: float = 0.0
    _open: list[tuple[float, int, list[Cell], Multipliers]] = field(default_factory=list)
    _rounded: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._number = itertools.count()

    @property
    def target(self) -> float:
        """The bound that is close enough."""
        return self.best.scr * (1.0 + self.within)

    def grown(self, max_nodes: int, stop: Callable[[], bool]) -> Solved:
        """Return what is proved once the target is met, or nodes or time are used up."""
        root = self._bounded(all_cells(self.instance, self.allowed), None, np.inf)
        while self._open and -self._open[0][0] > self.target and self.nodes < max_nodes and not stop():
            upper, _, cells, multipliers = heapq.heappop(self._open)
            self._bounded(cells, multipliers, -upper)
        best = polish_from_ends(self.instance, self.best)
        still_open = [-upper for upper, *_ in self._open]
        upper = max([self.target, self.left, *still_open])
        return Solved(best, upper, self.nodes, upper <= self.target, root)

    def _bounded(self, cells: list[Cell], start: Multipliers | None, upper: float) -> Multipliers:
        """Bound a node, fix what cannot be better than the target, and open its children if need be."""
        self.nodes += 1
        ends, of_cell = ends_of(cells)
        alternatives = Alternatives.of(self.instance, ends)
        if not alternatives.possible.all():
            possible = np.bincount(of_cell, ~alternatives.possible) == 0
            return self._bounded([cells[k] for k in np.flatnonzero(possible)], start, upper)
        dual = Dual(self.instance, alternatives)
        stages = None if start is None else _OF_NODE
        found = optimised(dual, self.target, start, None, stages)
        choice = branch(cells, of_cell, ends, found.value.weight, found.value.answers.share[:, 1])
        self._round(choice.server, choice.fraction)
        rough = dual.hard(self.target, found.multipliers)
        proof = certified(dual, self.target, found.multipliers, margin=max(rough, 0.0) + 1e-3)
        if proof.dual <= 0.0:
            return found.multipliers
        kept = _unfixed(dual, proof, cells, of_cell)
        at_target = found._replace(y=self.target)
        upper = min(upper, proved(dual, at_target, start=proof, worthwhile=_WORTHWHILE * self.within))
        if upper <= self.target:
            return found.multipliers
        if not choice.children:
            self.left = max(self.left, upper)
        for child in choice.children:
            rest = within_budgets([cell for cell in child if cell not in cells or cell in kept])
            if len({cell.user for cell in rest}) == self.instance.user_count:
                heapq.heappush(self._open, (-upper, next(self._number), rest, found.multipliers))
        return found.multipliers

    def _round(self, server: Ints, fraction: Floats) -> None:
        """Take the joint step's point for an association if it is the best so far."""
        if server.tobytes() in self._rounded or len(self._rounded) >= _MOST_ROUNDINGS:
            return
        self._rounded.add(server.tobytes())
        start = Rounded(server, fraction).point(self.instance, Price.at(self.instance, self.best.scr))
        trial = polish(self.instance, start, gap=_ROUGH_GAP)
        self.best = trial if trial.scr > self.best.scr else self.best


def _unfixed(dual: Dual, proof: Proof, cells: list[Cell], of_cell: Ints) -> set[Cell]:
    """Return the cells in which something may be better than the y of the proof."""
    best = dual.of_users(np.maximum.reduceat(proof.values, dual.first))
    may_be_better = ~(proof.dual - best + proof.values <= 0.0)
    return {cells[k] for k in np.unique(of_cell[may_be_better])}
