"""Laws that the tables of every run keep: sums, orders, ranges, budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecsim.system.phases import PHASES
from mecsim.system.resources import GRANTS
from mecsim.world.devices import servers_of

if TYPE_CHECKING:
    from mecsim.results.result import Results
    from mecsim.scenario.schema import Scenario

RELATIVE, ABSOLUTE = 1e-9, 1e-6
# Grants are stored with 24 bits, and a budget is shared by many users.
GRANTS_RELATIVE = 1e-5


class Law(NamedTuple):
    """A law in one sentence, and the function that returns what breaks it; empty if nothing does."""

    says: str
    broken: Callable[[Results, Scenario], str]


def _delays(results: Results, scenario: Scenario) -> str:
    parts = [*(f"{phase.name}_s" for phase in PHASES), "stall_s", "interruption_s"]
    return _not_equal(results.rounds, "delay_s", results.rounds[parts].sum(axis=1).to_numpy())


def _energies(results: Results, scenario: Scenario) -> str:
    parts = [f"{phase.name}_j" for phase in PHASES]
    return _not_equal(results.rounds, "energy_j", results.rounds[parts].sum(axis=1).to_numpy())


def _meters(results: Results, scenario: Scenario) -> str:
    metered, rounds = results.epochs["realised_energy_j"].sum(), results.rounds["energy_j"].sum()
    # What users spend between rounds is metered but of no round.
    less = metered < rounds - (RELATIVE * abs(rounds) + ABSOLUTE)
    idle = "arrived" in results.manifest["counts"] or scenario.users.battery is not None
    return (
        f"epochs have {metered:.9g} J, rounds {rounds:.9g} J"
        if less or (not idle and not np.isclose(metered, rounds, rtol=RELATIVE, atol=ABSOLUTE))
        else ""
    )


def _finished(results: Results, scenario: Scenario) -> str:
    rows = int(results.rounds["outcome"].eq("finished").sum())
    counted = int(results.epochs["rounds_finished"].sum())
    return f"epochs count {counted}, {rows} are in rounds" if counted != rows else ""


def _within_the_run(results: Results, scenario: Scenario) -> str:
    last_s = scenario.duration_s * (1 + RELATIVE)
    rounds = results.rounds
    for table, times in (
        ("rounds", rounds["start_s"] + rounds["delay_s"]),
        ("rounds", rounds["start_s"]),
        ("epochs", results.epochs["time_s"]),
        ("positions", results.positions["time_s"]),
    ):
        if len(times) and (times.max() > last_s or times.min() < 0):
            return f"{table} reach from {times.min():.9g} to {times.max():.9g} s"
    return ""


def _epochs_in_order(results: Results, scenario: Scenario) -> str:
    time_s = results.epochs["time_s"].to_numpy()
    back = np.flatnonzero(np.diff(time_s) < 0)
    return f"epoch {back[0] + 1} is at {time_s[back[0] + 1]:.9g} s, before the last" if len(back) else ""


def _one_at_a_time(results: Results, scenario: Scenario) -> str:
    rounds = results.rounds.sort_values(["user", "round"])
    user, start_s = rounds["user"].to_numpy(), rounds["start_s"].to_numpy()
    end_s = start_s + rounds["delay_s"].to_numpy()
    same = user[1:] == user[:-1]
    early = same & (start_s[1:] < end_s[:-1] - ABSOLUTE - RELATIVE * end_s[:-1])
    twice = same & (np.diff(rounds["round"].to_numpy()) == 0)
    wrong = np.flatnonzero(early | twice)
    if len(wrong) == 0:
        return ""
    return (
        f"user {user[wrong[0]]}: round {rounds['round'].to_numpy()[wrong[0] + 1]} begins before the last ends"
    )


def _counted(results: Results, scenario: Scenario) -> str:
    rounds = results.rounds.sort_values(["user", "round"])
    user, number = rounds["user"].to_numpy(), rounds["round"].to_numpy()
    place = np.arange(len(user))
    expected = place - np.maximum.accumulate(np.where(np.diff(user, prepend=-1) != 0, place, 0))
    wrong = np.flatnonzero(number != expected)
    if len(wrong) == 0:
        return ""
    return f"user {user[wrong[0]]}: round {number[wrong[0]]} comes where round {expected[wrong[0]]} is due"


def _decided_before(results: Results, scenario: Scenario) -> str:
    epoch, time_s = results.rounds["epoch"].to_numpy(), results.epochs["time_s"].to_numpy()
    if len(epoch) and epoch.max() >= len(time_s):
        return f"a round names epoch {epoch.max()}, there are {len(time_s)}"
    late = np.flatnonzero(time_s[epoch] > results.rounds["start_s"].to_numpy() + ABSOLUTE)
    return f"row {late[0]} of rounds begins before its epoch {epoch[late[0]]}" if len(late) else ""


def _known_devices(results: Results, scenario: Scenario) -> str:
    servers = [results.rounds["server_first"], results.rounds["server_last"], results.allocations["server"]]
    highest = max((int(one.max()) for one in servers if len(one)), default=0)
    if highest >= scenario.servers.count:
        return f"server {highest} of {scenario.servers.count}"
    tables = (results.rounds, results.positions, results.allocations)
    user = max((int(one["user"].max()) for one in tables if len(one)), default=0)
    fixed = "arrived" not in results.manifest["counts"]
    return f"user {user} of {scenario.users.count}" if fixed and user >= scenario.users.count else ""


def _budgets(results: Results, scenario: Scenario) -> str:
    grants = results.allocations[results.allocations["server"] >= 0]
    servers = servers_of(scenario)
    for grant in GRANTS:
        if grant.owner != "server" or grants.empty:
            continue
        sums = grants.astype({grant.field: "float64"}).groupby(["epoch", "server"])[grant.field].sum()
        budget = getattr(servers, grant.budget)[sums.index.get_level_values("server")]
        over = np.flatnonzero(sums.to_numpy() > budget * (1 + GRANTS_RELATIVE))
        if len(over):
            epoch, server = sums.index[over[0]]
            return (
                f"epoch {epoch}, server {server}: {grant.field} adds up to {sums.iloc[over[0]]:.9g}, "
                f"the budget is {budget[over[0]]:.9g}"
            )
    return ""


def _positions(results: Results, scenario: Scenario) -> str:
    for axis, most_m in zip(("x_m", "y_m"), scenario.area.size_m, strict=True):
        place = results.positions[axis]
        if len(place) and (place.min() < -ABSOLUTE or place.max() > most_m + ABSOLUTE):
            return (
                f"{axis} reaches from {place.min():.9g} to {place.max():.9g}, the area is {most_m:g} m wide"
            )
    return ""


def _gaps(results: Results, scenario: Scenario) -> str:
    epochs = results.epochs
    if "gap" not in epochs:
        return ""
    gap, upper, scr = (epochs[name].to_numpy() for name in ("gap", "upper_bound", "scr"))
    expected = np.divide(upper, scr, out=np.where(upper > 0, np.inf, 1.0), where=scr > 0) - 1.0
    expected = np.where(np.isnan(upper) | np.isnan(scr), np.nan, expected)
    wrong = np.flatnonzero(~np.isclose(gap, expected, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True))
    if len(wrong):
        return f"row {wrong[0]} has {gap[wrong[0]]:.9g}, not {expected[wrong[0]]:.9g}"
    # An allocation that is kept may not fit what a server has now.
    beaten = np.flatnonzero((gap < -ABSOLUTE) & epochs["status"].eq("new").to_numpy())
    return f"row {beaten[0]} has {gap[beaten[0]]:.9g}, below 0" if len(beaten) else ""


LAWS = (
    Law("the delay of a round is the sum of its phases, stalls and interruptions", _delays),
    Law("the energy of a round is the sum of its phases", _energies),
    Law("the energy that epochs meter is that of the rounds", _meters),
    Law("epochs count the rounds that finished", _finished),
    Law("everything lies between the start and the end of the run", _within_the_run),
    Law("epochs follow each other", _epochs_in_order),
    Law("a user has one round at a time", _one_at_a_time),
    Law("the rounds of a user are counted from 0", _counted),
    Law("a round begins after the decision that it names", _decided_before),
    Law("users and servers are those of the scenario", _known_devices),
    Law("a server grants at most what it has", _budgets),
    Law("users are in the area", _positions),
    Law("a gap is upper_bound / scr - 1, and no new decision beats its bound", _gaps),
)
"""Every law that tables of a run keep."""


def broken_laws(results: Results, scenario: Scenario) -> list[str]:
    """Return one line for each law that the tables of a run break."""
    told = ((law.says, law.broken(results, scenario)) for law in LAWS)
    return [f"{says}: {problem}" for says, problem in told if problem]


def _not_equal(table: pd.DataFrame, column: str, expected: NDArray[np.float64]) -> str:
    given = table[column].to_numpy()
    wrong = np.flatnonzero(~np.isclose(given, expected, rtol=RELATIVE, atol=ABSOLUTE * 1e-3))
    return f"row {wrong[0]} has {given[wrong[0]]:.12g}, not {expected[wrong[0]]:.12g}" if len(wrong) else ""
