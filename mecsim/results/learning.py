"""Learning progress: tokens trained over time, staleness of results, and what a power law makes of them.

Nothing here trains a model. A round's result counts when the round ends, with all tokens of its data; in
synchronous mode all results of a generation count at its end. The loss after D tokens is ``floor + a D^-b``
with the coefficients of the scenario (``[learning]``), whoever trained them and however stale they were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mecsim.errors import MecsimError
from mecsim.results.manifest import scenario_values
from mecsim.results.result import Results
from mecsim.system.arrays import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.engine.recorder import Table
    from mecsim.scenario.schema import Scenario
    from mecsim.world.workload import Workload

TOKENS = "round_tokens"
"""Key of the manifest: the tokens of each user's rounds, or of all of its rounds where they are the same."""


class PowerLaw(NamedTuple):
    """The loss after D tokens, ``floor + a D^-b``."""

    floor: float
    a: float
    b: float

    def loss(self, tokens: Floats) -> Floats:
        """Return the loss after so many tokens; infinite without any."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(self.floor + self.a * np.asarray(tokens, dtype=np.float64) ** -self.b)

    def tokens(self, loss: float) -> float:
        """Return how many tokens it takes to a loss above the floor; infinite beyond the largest number."""
        with np.errstate(over="ignore"):
            return float(np.float64(self.a / (loss - self.floor)) ** (1.0 / self.b))


def round_tokens(scenario: Scenario, workload: Workload, rounds: Table) -> list[list[float]]:
    """Return the tokens of each user's rounds, for the manifest of a run."""
    count = np.bincount(rounds["user"], minlength=len(workload.devices["epochs"]))
    per_token = scenario.workload.flops_per_param_and_token

    def of(user: int, number: int) -> list[float]:
        users = np.full(number if workload.drawn_per_round else 1, user)
        tokens: list[float] = (workload.work(users, np.arange(len(users)))[1] / per_token).tolist()
        return tokens

    return [of(user, number) for user, number in enumerate(count.tolist())]


def law_of(manifest: Mapping[str, Any]) -> PowerLaw | None:
    """Return the power law of a run's scenario; None without one."""
    values = scenario_values(manifest) if TOKENS in manifest else {}
    if "learning.a" not in values:
        return None
    return PowerLaw(*(float(values[f"learning.{name}"]) for name in PowerLaw._fields))


def progress(results: Results) -> pd.DataFrame:
    """Return the results of rounds in the order in which they came in.

    Returns
    -------
    DataFrame
        ``time_s``, when the result came in; ``user``, ``round``, ``tokens`` of its data; ``user_tokens``
        and ``all_tokens``, trained until then by the user and by all; ``loss`` after ``all_tokens``; and
        ``staleness``, how many results of others came in between the start of the round and its own.

    Raises
    ------
    MecsimError
        If the scenario of the run has no ``[learning]``.
    """
    law = law_of(results.manifest)
    if law is None:
        raise MecsimError("learning: the scenario of the run has no [learning] with floor, a, b and target")
    rounds = results.rounds[results.rounds["outcome"].eq("finished")]
    frame = rounds[["user", "round"]].assign(time_s=_merged_s(results.manifest, rounds))
    frame["staleness"] = staleness(rounds["start_s"].to_numpy(), frame["time_s"].to_numpy())
    known = results.manifest[TOKENS]
    pairs = zip(frame["user"].tolist(), frame["round"].tolist(), strict=True)
    frame["tokens"] = [known[user][min(number, len(known[user]) - 1)] for user, number in pairs]
    frame = frame.sort_values(["time_s", "user", "round"], ignore_index=True)
    frame["user_tokens"] = frame.groupby("user")["tokens"].cumsum()
    frame["all_tokens"] = frame["tokens"].cumsum()
    columns = ["time_s", "user", "round", "tokens", "user_tokens", "all_tokens", "loss", "staleness"]
    return frame.assign(loss=law.loss(frame["all_tokens"].to_numpy()))[columns]


def staleness(start_s: Floats, merged_s: Floats) -> Ints:
    """Return how many other results came in after each round's start and before its own result, (R,)."""
    order = np.sort(merged_s)
    before_own = np.searchsorted(order, merged_s, side="left")
    until_start = np.searchsorted(order, start_s, side="right")
    between: Ints = np.maximum(before_own - until_start, 0)
    return between


def time_to_target_s(results: Results) -> float:
    """Return when the loss has reached the target, from the start of the run; NaN if it has not."""
    law = law_of(results.manifest)
    if law is None:
        return math.nan
    needed = law.tokens(float(scenario_values(results.manifest)["learning.target"]))
    found = progress(results)
    # Sums of tokens may round, a last one that is enough must be.
    reached = np.flatnonzero(found["all_tokens"].to_numpy() >= needed * (1.0 - 1e-12))
    return float(found["time_s"].iloc[reached[0]]) if len(reached) else math.nan


def energy_to_target_j(results: Results) -> float:
    """Return the energy of all devices until then, idle power included; NaN if the target is not reached.

    Within an epoch energy is taken in proportion to time.
    """
    until_s = time_to_target_s(results)
    if math.isnan(until_s):
        return math.nan
    epochs = results.epochs
    begin_s = epochs["time_s"].to_numpy(np.float64)
    end_s = np.append(begin_s[1:], results.manifest["duration_s"])
    length_s = np.maximum(end_s - begin_s, 0.0)
    share = np.divide(until_s - begin_s, length_s, out=np.ones(len(begin_s)), where=length_s > 0)
    energy_j = (epochs["realised_energy_j"] + epochs["idle_j"]).to_numpy(np.float64)
    return float(energy_j @ np.clip(share, 0.0, 1.0))


def _merged_s(manifest: Mapping[str, Any], rounds: pd.DataFrame) -> Floats:
    """Return when the result of each round comes in: at its end, or at the end of its generation."""
    end_s: pd.Series[float] = rounds["start_s"] + rounds["delay_s"]
    if scenario_values(manifest).get("workload.rounds.mode") == "synchronous":
        end_s = end_s.groupby(rounds["start_s"]).transform("max")
    return np.asarray(end_s, dtype=np.float64)
