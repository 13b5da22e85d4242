"""Cells of branch and bound: a user, a server, an interval of phi, valued by its two ends, and one of power.

In narrow intervals of phi and of the downlink's share of power the problem is nearly convex, so cutting these
closes the gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Ends, with_whole_power

_CHARGES = (
    "local_fixed_flop",
    "server_fixed_flop",
    "uplink_fixed_bits",
    "uplink_data_bits",
    "downlink_fixed_bits",
)


class Cell(NamedTuple):
    """A user at a server with phi and the downlink's share of power in intervals.

    ``inside`` is where both sides train at the ends of phi, too.
    """

    user: int
    server: int
    low: float
    high: float
    inside: bool
    least_power: float = 0.0
    most_power: float = 1.0


def all_cells(instance: Instance, allowed: NDArray[np.bool_]) -> list[Cell]:
    """Return cells that cover everything users may do, sorted by user.

    Where work has charges, its ends are apart from what lies between.
    """
    work = instance.affine_work()
    charged = np.any([getattr(work, name) > 0 for name in _CHARGES], axis=0)
    cells = []
    for n, m in zip(*np.nonzero(allowed), strict=True):
        most, own = float(instance.users.local_fraction_max[n]), (int(n), int(m))
        if most == 0.0 or not charged[n]:
            cells.append(Cell(*own, 0.0, most, inside=False))
        else:
            cells += [Cell(*own, end, end, inside=False) for end in (0.0, most)]
            cells.append(Cell(*own, 0.0, most, inside=True))
    return cells


def ends_of(cells: Sequence[Cell]) -> tuple[Ends, Ints]:
    """Return the ends of cells, and of which cell each is, (K,)."""
    of_cell = np.array([k for k, cell in enumerate(cells) for _ in range(1 + (cell.low < cell.high))])
    is_second = np.append(False, of_cell[1:] == of_cell[:-1])
    columns = zip(*cells, strict=True)
    user, server, low, high, inside, least, most = (np.array(column)[of_cell] for column in columns)
    phi = np.where(is_second, high, low)
    ends, row = with_whole_power(
        Ends(user, server, phi, inside, least, most, np.zeros(len(user), dtype=bool))
    )
    return ends, of_cell[row]


class Choice(NamedTuple):
    """What the weights of a relaxed solution say about a node: where to branch, and a rounded solution."""

    children: list[list[Cell]]
    server: Ints
    fraction: Floats


def branch(cells: Sequence[Cell], of_cell: Ints, ends: Ends, weight: Floats, power: Floats) -> Choice:
    """Return how to go on from a node, by the weights (K,) and shares of power (K,) of its ends.

    There are no children where nothing is left to split. The user whose cells compete most goes to each of
    its servers, or to each of its cells at one server; if none compete, the interval of phi or of power is
    cut whose ends do.
    """
    of_cells = np.bincount(of_cell, weight, len(cells))
    users = np.array([cell.user for cell in cells])
    first: Ints = np.flatnonzero(np.diff(users, prepend=-1))
    spread = 1.0 - np.maximum.reduceat(of_cells, first)
    count: Ints = np.diff(np.append(first, len(cells)))
    spread = np.where(count > 1, spread, -1.0)
    high = np.array([cell.high for cell in cells])[of_cell]
    at_high = np.bincount(of_cell, weight * (ends.phi == high), len(cells))
    cut = np.array([_cut(*each) for each in zip(cells, of_cells - at_high, at_high, strict=True)])
    mean, apart = _spread_of_power(cells, of_cell, ends, weight, power)
    server, fraction = _rounded(cells, of_cells, first, count, ends, weight)
    children: list[list[Cell]] = []
    most = max(float(cut.max()), float(apart.max()))
    if spread.max() > max(_LEAST_SPREAD, float(cut.max())) or (most <= 0.0 < spread.max()):
        at = int(spread.argmax())
        own = cells[first[at] : first[at] + count[at]]
        children = [_replaced(cells, own[0].user, part) for part in _parts(own)]
    elif most > 0.0:
        by_power = bool(apart.max() >= cut.max())
        at = int((apart if by_power else cut).argmax())
        chosen: Cell = cells[at]
        others = [cell for cell in cells if cell.user == chosen.user and cell is not chosen]
        if by_power:
            halves = _halves_of_power(chosen, float(mean[at]))
        else:
            halves = _halves_of_phi(chosen, float(at_high[at] / max(of_cells[at], 1e-300)))
        children = [_replaced(cells, chosen.user, part) for part in ([halves[0], *others], [halves[1]])]
    return Choice(children, server, fraction)


def within_budgets(cells: Sequence[Cell]) -> list[Cell]:
    """Return cells without the power that others at the same server have in any case."""
    users: dict[int, list[Cell]] = {}
    for cell in cells:
        users.setdefault(cell.user, []).append(cell)
    taken: dict[int, float] = {}
    for own in users.values():
        if len({cell.server for cell in own}) == 1:
            least = min(cell.least_power for cell in own)
            taken[own[0].server] = taken.get(own[0].server, 0.0) + least
    kept = []
    for cell in cells:
        own = users[cell.user]
        mine = min(c.least_power for c in own) if len({c.server for c in own}) == 1 else 0.0
        left = 1.0 - (taken.get(cell.server, 0.0) - mine) + _ROUNDING
        if cell.least_power <= left:
            kept.append(cell._replace(most_power=min(cell.most_power, left)))
    return kept


_LEAST_SPREAD = 0.02
_NARROW = 1e-3
_ROUNDING = 1e-9


def _halves_of_phi(cell: Cell, share: float) -> tuple[Cell, Cell]:
    middle = cell.low + (cell.high - cell.low) * float(np.clip(share, 0.2, 0.8))
    return cell._replace(high=middle), cell._replace(low=middle)


def _halves_of_power(cell: Cell, mean: float) -> tuple[Cell, Cell]:
    width = cell.most_power - cell.least_power
    middle = float(np.clip(mean, cell.least_power + 0.2 * width, cell.most_power - 0.2 * width))
    return cell._replace(most_power=middle), cell._replace(least_power=middle)


def _spread_of_power(
    cells: Sequence[Cell], of_cell: Ints, ends: Ends, weight: Floats, power: Floats
) -> tuple[Floats, Floats]:
    """Return the mean power of the downlinks in each cell, and how far from it they are, times their weight.

    Where the users of a server take more than it has, the mean is less in proportion.
    """
    load = np.bincount(ends.server, weight * power)[ends.server]
    weight = weight * (ends.inside | (ends.phi < 1.0))
    total = np.maximum(np.bincount(of_cell, weight, len(cells)), 1e-300)
    mean = np.bincount(of_cell, weight * power / np.maximum(load, 1.0), len(cells)) / total
    apart = 0.5 * np.bincount(of_cell, weight * np.abs(power - mean[of_cell]), len(cells))
    width = np.array([cell.most_power - cell.least_power for cell in cells])
    return mean, np.where(width < _NARROW, 0.0, apart)


def _cut(cell: Cell, at_low: float, at_high: float) -> float:
    """Return how much the ends of a cell compete: 0 for one that is a point, or too narrow to be cut."""
    if cell.high - cell.low < _NARROW:
        return 0.0
    return float(1e-9 + min(at_low, at_high) * (cell.high - cell.low))


def _parts(own: Sequence[Cell]) -> Iterable[list[Cell]]:
    servers = sorted({cell.server for cell in own})
    if len(servers) > 1:
        return [[cell for cell in own if cell.server == server] for server in servers]
    return [[cell] for cell in own]


def _replaced(cells: Sequence[Cell], user: int, own: list[Cell]) -> list[Cell]:
    before, after = [c for c in cells if c.user < user], [c for c in cells if c.user > user]
    return [*before, *own, *after]


def _rounded(
    cells: Sequence[Cell], of_cells: Any, first: Ints, count: Any, ends: Ends, weight: Floats
) -> tuple[Ints, Floats]:
    """Return for each user the server with the cell of largest weight, and the mean of its phi there."""
    best = [
        k + int(of_cells[k : k + c].argmax()) for k, c in zip(first.tolist(), count.tolist(), strict=True)
    ]
    server = np.array([cells[k].server for k in best])
    here = ends.server == server[ends.user]
    total = np.bincount(ends.user, weight * here, len(server))
    fraction = np.bincount(ends.user, weight * here * ends.phi, len(server)) / np.maximum(total, 1e-300)
    return server, np.clip(fraction, 0.0, 1.0)
