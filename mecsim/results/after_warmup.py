"""One run after its warm-up: the frames that metrics are computed from, each built once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mecsim.results.objective import objective_of
from mecsim.results.result import Results
from mecsim.results.windows import user_windows
from mecsim.scenario.control import WINDOW_S

if TYPE_CHECKING:
    import pandas as pd

SKETCH_SIZE = 1000


@dataclass(frozen=True, eq=False)
class AfterWarmup:
    """A run as metrics see it.

    Parameters
    ----------
    results : Results
    deadline_s : float
        Deadline of a round, for the metrics that need one; NaN for none.
    """

    results: Results
    deadline_s: float = math.nan

    @property
    def warmup_s(self) -> float:
        """End of the warm-up."""
        return float(self.results.manifest["warmup_s"])

    @property
    def measured_s(self) -> float:
        """Simulated time after the warm-up."""
        return float(self.results.manifest["duration_s"] - self.results.manifest["warmup_s"])

    @cached_property
    def started(self) -> pd.DataFrame:
        """The rounds that started at ``warmup_s`` or later, whatever became of them."""
        rounds = self.results.rounds
        started: pd.DataFrame = rounds[rounds["start_s"] >= self.results.manifest["warmup_s"]]
        return started

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """The finished ones of :attr:`started`."""
        return self.started[self.started["outcome"].eq("finished")]

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """The decision epochs at ``warmup_s`` or later."""
        epochs = self.results.epochs
        measured: pd.DataFrame = epochs[epochs["time_s"] >= self.results.manifest["warmup_s"]]
        return measured

    @cached_property
    def generations(self) -> pd.DataFrame:
        """The generations of :attr:`rounds`: ``users``, ``score``, ``delay_s``, ``energy_j`` and ``scr``.

        Generation j holds the j-th round after the warm-up of every user; users who arrive later than
        the start belong to none. Without a warm-up this is ``results.generations``. The numbers that
        rounds have in the tables would not do: the slowest user may reach a number only after the
        fastest one has passed it within the warm-up.
        """
        users, weights = self.results.manifest["users"], self.results.manifest["objective"]
        columns = ["user", "round", "score", "delay_s", "energy_j"]
        rounds = self.rounds[columns].sort_values(["user", "round"])
        rounds, combined = self._counted(rounds)
        rounds = rounds[rounds["user"] < users]
        groups = rounds.groupby(rounds.groupby("user").cumcount().rename("generation"))
        sums = groups[["score", "energy_j"]].sum()
        sums = sums.assign(users=groups.size(), delay_s=groups["delay_s"].agg(combined))
        whole: pd.DataFrame = sums.loc[sums["users"] == users, ["users", *columns[2:]]]
        delay_cost = weights["delay_weight_per_s"] * whole["delay_s"]
        cost = delay_cost + weights["energy_weight_per_j"] * whole["energy_j"]
        return whole.assign(scr=(whole["score"] / cost).where(cost > 0))

    @cached_property
    def windows(self) -> pd.DataFrame:
        """One row a window: ``window``, ``score``, ``delay_s``, ``energy_j``, ``users``, ``open``.

        The delay is the largest of the users, or as the objective has it. The last two are how many users
        count, and how many of them by an open round.
        """
        manifest = self.results.manifest
        window_s = float(manifest.get("window_s", WINDOW_S))
        by_user = user_windows(self.results.rounds, self.warmup_s, manifest["duration_s"], window_s)
        by_user, combined = self._counted(by_user)
        groups = by_user.groupby("window")
        sums = groups[["score", "energy_j", "open"]].sum()
        return sums.assign(delay_s=groups["delay_s"].agg(combined), users=groups.size()).reset_index()

    def _counted(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
        """Return rows with delay and energy as the objective counts them, and how it joins delays."""
        objective = objective_of(self.results)
        if objective is None:
            return rows, "max"
        own = (rows[name].to_numpy() for name in ("user", "delay_s", "energy_j"))
        delay_s, energy_j = objective.counted(*own)
        return rows.assign(delay_s=delay_s, energy_j=energy_j), objective.delay

    @cached_property
    def never_finished(self) -> pd.DataFrame:
        """The open rounds of users who finished none after the warm-up, if they take long already.

        Only those that have taken longer by the end of the run than a round of the other users on average:
        of a user who has just begun nothing is known yet. Empty without any finished round.
        """
        rounds = self.results.rounds
        others_s = self.rounds.groupby("user")["delay_s"].mean().mean()
        is_long = rounds["outcome"].eq("unfinished") & rounds["delay_s"].gt(others_s)
        return rounds[is_long & ~rounds["user"].isin(self.rounds["user"])].drop_duplicates("user")

    @cached_property
    def user_means(self) -> pd.DataFrame:
        """The mean of each real column over the finished rounds of each user.

        Those of :attr:`never_finished` count with their open rounds as far as these have got, which is the
        least that they can take. Empty without any finished round.
        """
        import pandas as pd

        columns = [name for name, dtype in self.rounds.dtypes.items() if dtype.kind == "f"]
        means = self.rounds.groupby("user")[columns].mean()
        if self.never_finished.empty:
            return means
        return pd.concat([means, self.never_finished.set_index("user")[columns]])

    @cached_property
    def finished_by_user(self) -> pd.Series[float]:
        """Number of rounds that *ended* after the warm-up, for each user; 0 for one that finished none.

        Counting only rounds that also start after the warm-up would lose almost one round for each
        user, and favour policies with short rounds.
        """
        rounds = self.results.rounds
        ended_s = rounds["start_s"] + rounds["delay_s"]
        finished = rounds["outcome"].eq("finished") & ended_s.ge(self.results.manifest["warmup_s"])
        by_user: pd.Series[float] = finished.groupby(rounds["user"]).sum().astype("float64")
        return by_user


def rounds_after_warmup(results: Results) -> pd.DataFrame:
    """Return the finished rounds that started at ``warmup_s`` or later."""
    return AfterWarmup(results).rounds


def delay_sketch(results: Results) -> pd.DataFrame:
    """Return the delay distribution of one run in a bounded number of rows.

    Returns
    -------
    DataFrame
        ``delay_s``, increasing, and ``weight``, the number of rounds each row stands for: all
        finished rounds after the warm-up if there are at most 1000, else 1000 of them at evenly
        spaced ranks.
    """
    import pandas as pd

    delays = np.sort(rounds_after_warmup(results)["delay_s"].to_numpy())
    size = min(len(delays), SKETCH_SIZE)
    ranks = ((np.arange(size) + 0.5) * len(delays) / max(size, 1)).astype(np.int64)
    return pd.DataFrame({"delay_s": delays[ranks], "weight": np.full(size, len(delays) / max(size, 1))})
