"""What every user got in windows of time: the basis of the SCR where rounds are not synchronous.

The k-th rounds of unlike users may lie far apart in time, and which of them exist depends on the policy.
A window compares what happened at the same time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_VALUES = ("score", "delay_s", "energy_j")


def user_windows(rounds: pd.DataFrame, warmup_s: float, duration_s: float, window_s: float) -> pd.DataFrame:
    """Return one row for each window and each user who has a round in it, docs/model.md section 13.

    A user counts with the means of its rounds that *end* in the window; without one, with the round that is
    open at the window's end as far as it has got: its delay so far, its energy in proportion to the time,
    its mean score. A round that begins at the end of the run has got nowhere and does not count. Window k
    begins ``k * window_s`` after the warm-up and does not contain its end; what is left over at the end of
    the run belongs to the last one.

    Parameters
    ----------
    rounds : DataFrame
        The table of rounds, whatever became of them.
    warmup_s, duration_s, window_s : float

    Returns
    -------
    DataFrame
        ``window``, ``user``, ``score``, ``delay_s``, ``energy_j``, and ``open``: whether the values are
        those of an open round.
    """
    import pandas as pd

    count = max(1, math.floor((duration_s - warmup_s) / window_s + 1e-9))
    start_s, delay_s = (rounds[name].to_numpy(np.float64) for name in ("start_s", "delay_s"))
    outcome = rounds["outcome"].to_numpy()
    finished, unfinished = outcome == "finished", outcome == "unfinished"

    def window_of(time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.minimum(np.floor((time_s - warmup_s) / window_s), count - 1).astype(np.int64)

    first, last = np.maximum(window_of(start_s), 0), window_of(start_s + delay_s)
    ended = np.flatnonzero(finished & (last >= 0))
    closed = rounds[["user", *_VALUES]].iloc[ended].assign(window=last[ended])
    closed = closed.groupby(["window", "user"], as_index=False).mean().assign(open=False)
    # A round cut off by the end of the run is open at the end of every window from its first one on.
    ends_open = np.where(delay_s > 0, np.maximum(np.where(unfinished, count, last) - first, 0), 0)
    which = np.repeat(np.arange(len(rounds)), ends_open)
    step = np.arange(len(which)) - np.repeat(np.cumsum(ends_open) - ends_open, ends_open)
    window = first[which] + step
    edge_s = np.where(window == count - 1, duration_s, warmup_s + window_s * (window + 1))
    share = np.minimum((edge_s - start_s[which]) / delay_s[which], 1.0)
    going = rounds[["user", *_VALUES]].iloc[which].assign(window=window, open=True)
    going = going.assign(delay_s=share * going["delay_s"], energy_j=share * going["energy_j"])
    both = pd.concat([closed, going], ignore_index=True)
    kept = both.drop_duplicates(["window", "user"])  # those that ended come first
    return kept[["window", "user", *_VALUES, "open"]].sort_values(["window", "user"], ignore_index=True)
