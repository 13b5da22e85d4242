"""Tables that follow from what a run recorded: generations, realised SCR, positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.recorder import RunRecord, Table
from mecsim.engine.roster import Stays
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats
from mecsim.system.equations import service_cost_ratio
from mecsim.system.objective import Objective
from mecsim.world.world import World


def all_tables(record: RunRecord, world: World) -> dict[str, Table]:
    """Return the tables of a run in its world, by name, with the columns of the contract."""
    rounds, epochs = record.rounds, record.epochs
    stays_s, residents, absences = None, None, record.ledger.get("absences", ())
    if "entered_s" in record.ledger:
        stays_s = record.ledger["entered_s"], record.ledger["left_s"]
        residents = world.population.residents
    own = world.objective
    realised_scr = realised(rounds, epochs["time_s"], world.scenario, stays_s, absences, objective=own)
    return {
        "rounds": rounds,
        "epochs": epochs | {"realised_scr": realised_scr},
        "generations": generations(rounds, epochs, world.scenario, residents, objective=own),
        "positions": positions(world, stays_s, absences),
        "allocations": record.allocations,
        **({} if record.worth is None else {"worth": record.worth}),
    }


def generations(
    rounds: Table,
    epochs: Table,
    scenario: Scenario,
    residents: NDArray[np.bool_] | None = None,
    *,
    objective: Objective | None = None,
) -> Table:
    """Return one row for each k whose k-th round every user has finished, docs/model.md section 13.

    Where users come and go, the generations are those of the ``residents``, (N,) bool. ``objective`` is that
    of all users of the run.
    """
    finished = rounds["outcome"] == "finished"
    count = scenario.users.count
    if residents is not None:
        finished = finished & residents[rounds["user"]]
        count = int(residents.sum())
    index = rounds["round"][finished]
    users = np.bincount(index)
    score = np.bincount(index, weights=rounds["score"][finished])
    counted_s, counted_j = _counted(rounds, objective)
    energy_j = np.bincount(index, weights=counted_j[finished])
    if objective is not None and objective.is_mean:
        delay_s = np.bincount(index, weights=counted_s[finished]) / np.maximum(users, 1)
    else:
        delay_s = np.zeros(len(users))
        np.maximum.at(delay_s, index, counted_s[finished])
    predicted = np.bincount(index, weights=epochs["scr"][rounds["epoch"][finished]])
    whole = np.flatnonzero(users == count)
    weights = (scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j)
    scr = [service_cost_ratio(score[k], delay_s[k], energy_j[k], *weights) for k in whole]
    return {
        "round": whole,
        "users": users[whole],
        "score": score[whole],
        "delay_s": delay_s[whole],
        "energy_j": energy_j[whole],
        "scr": np.array(scr, dtype=np.float64),
        "predicted_scr": predicted[whole] / users[whole],
    }


def realised(
    rounds: Table,
    decided_s: NDArray[np.float64],
    scenario: Scenario,
    stays_s: Stays | None = None,
    absences: Iterable[Sequence[float]] = (),
    *,
    objective: Objective | None = None,
) -> NDArray[np.float64]:
    """Return for each epoch the SCR of every user's last round that ended by its end, or NaN.

    ``decided_s`` (E,) are the times of the decisions, increasing; the last epoch ends with the run.
    Where users come and go, those count who are there at the end of the epoch and have finished a
    round by then. Of ``absences`` each is a user, and from when to when it was away before it came back.
    ``objective`` is that of all users of the run.
    """
    combine = np.add if objective is not None and objective.is_mean else np.maximum
    counted_s, counted_j = _counted(rounds, objective)
    ends_s = np.append(decided_s[1:], np.inf)[: len(decided_s)]
    score, delay_s, energy_j, members = (np.zeros(len(ends_s)) for _ in range(4))
    complete = np.full(len(ends_s), stays_s is None)
    done = np.flatnonzero(rounds["outcome"] == "finished")
    done = done[np.lexsort((rounds["round"][done], rounds["user"][done]))]
    count = scenario.users.count if stays_s is None else len(stays_s[0])
    edges = np.searchsorted(rounds["user"][done], np.arange(count + 1))
    away = _by_user(absences)
    for n, (first, beyond) in enumerate(pairwise(edges)):
        own = done[first:beyond]
        last = np.searchsorted(rounds["start_s"][own] + rounds["delay_s"][own], ends_s, side="right") - 1
        counts = np.full(len(ends_s), True)
        if stays_s is None:
            complete &= last >= 0
        else:
            counts = (stays_s[0][n] < ends_s) & (stays_s[1][n] >= ends_s) & (last >= 0)
            for from_s, to_s in away.get(n, ()):
                counts &= (ends_s <= from_s) | (ends_s > to_s)
            complete |= counts
        if len(own) > 0:
            members += counts
            score += np.where(counts, rounds["score"][own][last], 0.0)
            energy_j += np.where(counts, counted_j[own][last], 0.0)
            combine(delay_s, np.where(counts, counted_s[own][last], 0.0), out=delay_s)
    delay_s = delay_s / np.maximum(members, 1.0) if combine is np.add else delay_s
    weights = (scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j)
    each = zip(score, delay_s, energy_j, strict=True)
    scr = np.array([service_cost_ratio(*sums, *weights) for sums in each], dtype=np.float64)
    return np.where(complete, scr, np.nan)


def _counted(rounds: Table, objective: Objective | None) -> tuple[Floats, Floats]:
    """Return the delays and energies of rounds as the objective counts them."""
    if objective is None:
        return rounds["delay_s"], rounds["energy_j"]
    return objective.counted(rounds["user"], rounds["delay_s"], rounds["energy_j"])


def _by_user(absences: Iterable[Sequence[float]]) -> dict[int, list[tuple[float, float]]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for user, from_s, to_s in absences:
        found.setdefault(int(user), []).append((float(from_s), float(to_s)))
    return found


def positions(world: World, stays_s: Stays | None = None, absences: Iterable[Sequence[float]] = ()) -> Table:
    """Return where everybody who was there was, every ``record.positions_s`` seconds, in order of time."""
    scenario = world.scenario
    count = int(np.ceil(scenario.duration_s / scenario.record.positions_s))
    times_s = np.arange(count, dtype=np.float64) * scenario.record.positions_s
    shape = (count, world.user_count)
    there = np.full(shape, True)
    if stays_s is not None:
        there = (stays_s[0] <= times_s[:, None]) & (stays_s[1] > times_s[:, None])
    for user, from_s, to_s in absences:
        there[(times_s >= from_s) & (times_s < to_s), int(user)] = False
    sample, users = np.nonzero(there)
    place = world.position_m(users, times_s[sample])
    return {"time_s": times_s[sample], "user": users, "x_m": place[:, 0], "y_m": place[:, 1]}
