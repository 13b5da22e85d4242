"""The convergence of DASHF, from the trace of its iterates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.study.decision_run import DecisionRun
from mecsim.study.paper.snapshots import SYSTEMS, UNCHANGED, Changes, Kept, Row, system_of
from mecsim.study.policy_choice import PolicyChoice

if TYPE_CHECKING:
    import pandas as pd

PART_1, PART_2, WHOLE = "part 1", "part 2", "DASHF"

Trace = Sequence[Mapping[str, Any]]


def by_iteration(seeds: Sequence[int], changes: Changes = UNCHANGED) -> list[Row]:
    """Return the decisions whose traces are drawn, with ``system`` and ``seed``."""
    policy = PolicyChoice.of("dashf")
    return [
        ({"system": system, "seed": seed}, DecisionRun(scenario, policy, seed))
        for system, scenario in ((name, system_of(name, changes)) for name in SYSTEMS)
        for seed in seeds
    ]


def convergence(rows: Sequence[Row], kept: Kept) -> pd.DataFrame:
    """Return the SCR after every iteration: ``system, seed, part, iteration, scr, relative, objective``.

    ``part 1``
        The start (iteration 0), then the association and phi of each relaxation with their resources.
    ``part 2``
        The start, then each solution of the resource problem, for a new association or the one in force.
    ``DASHF``
        The start, then every step of y.

    All are the largest SCR met so far, in the order of all steps of y. The SCR is the primal objective of the
    fractional problem, where F(y) of different y cannot be compared.

    ``relative`` is the SCR over the last SCR of the run of ``dashf`` that the row is from, and
    ``objective`` the F(y) of the iterate itself (NaN where the trace has none).
    """
    import pandas as pd

    found = []
    for labels, decision in rows:
        stored = kept(decision)
        trace, final = stored["trace"], stored["metrics"]["scr"]
        for part in _CURVES:
            found += [
                (labels["system"], labels["seed"], part, k, scr, scr / final, objective)
                for k, (scr, objective) in enumerate(_CURVES[part](trace, final))
            ]
    columns = ["system", "seed", "part", "iteration", "scr", "relative", "objective"]
    return pd.DataFrame(found, columns=columns)


def iterations_needed(scr: Sequence[float], within: float = 0.01) -> int:
    """Return the first iteration from which on the SCR is within a part of its last value."""
    values = np.asarray(scr, dtype=np.float64)
    far = np.flatnonzero(np.abs(values / values[-1] - 1.0) > within)
    return int(far[-1]) + 1 if len(far) else 0


def padded(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column with a row a seed, a column an iteration; ended runs keep their last value."""
    return frame.pivot_table(index="seed", columns="iteration", values=column).ffill(axis=1)


def _part_1(trace: Trace, final: float) -> list[tuple[float, float]]:
    return _after(trace, [row for row in trace if row["part"] == "association"])


def _part_2(trace: Trace, final: float) -> list[tuple[float, float]]:
    # An association that has not changed is solved only once, in the next row.
    return _after(trace, [row for row in trace if not row["status"].endswith("unchanged")])


def _after(trace: Trace, rows: Trace) -> list[tuple[float, float]]:
    return _best_so_far([(trace[0]["y"], np.nan), *((row["scr"], row["objective"]) for row in rows)])


def _whole(trace: Trace, final: float) -> list[tuple[float, float]]:
    points = [(trace[0]["y"], np.nan)]
    for outer in sorted({row["outer"] for row in trace}):
        own = [row for row in trace if row["outer"] == outer]
        solved = [row for row in own if row["accepted"]]
        if solved:
            points.append((max(row["scr"] for row in solved), solved[-1]["objective"]))
    return _best_so_far([*points[:-1], (final, points[-1][1])])


def _best_so_far(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    best = np.maximum.accumulate([scr for scr, _ in points])
    return [(float(scr), objective) for scr, (_, objective) in zip(best, points, strict=True)]


_CURVES = {PART_1: _part_1, PART_2: _part_2, WHOLE: _whole}
