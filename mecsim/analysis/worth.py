"""What the budgets of the servers are worth over a run, by the derivatives of the upper bound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecsim.analysis.rounding import four_digits
from mecsim.scenario.schema import Scenario
from mecsim.world.devices import servers_of

if TYPE_CHECKING:
    from mecsim.results.result import Results

PARTS = 12
"""Parts of a run, in each of which the budget that is worth the most is named."""


class Budget(NamedTuple):
    """A kind of budget: its column in ``worth``, name, unit, field of servers, and the unit in SI units."""

    column: str
    name: str
    unit: str
    field: str
    si: float


BUDGETS = (
    Budget("per_mhz", "bandwidth", "MHz", "bandwidth_hz", 1e6),
    Budget("per_w", "transmit power", "W", "max_power_w", 1.0),
    Budget("per_tflops", "GPU speed", "TFLOP/s", "max_gpu_flops", 1e12),
)


def relative_worth(results: Results) -> pd.DataFrame:
    """Return by how much of itself the bound rises with 1 % more of each budget, without brown-outs.

    Columns are those of ``worth``, in the same order, with the worth replaced; NaN where the bound is 0 or
    not defined.
    """
    worth = results.worth
    assert worth is not None
    text = results.manifest["scenario_toml"]
    servers = servers_of(Scenario.from_toml(text, "manifest.json", Path.cwd(), confined=True))
    upper = results.epochs.set_index("epoch")["upper_bound"]
    upper = worth["epoch"].map(upper.where(upper > 0))
    relative = {}
    for budget in BUDGETS:
        had = worth["server"].map(pd.Series(getattr(servers, budget.field) / budget.si))
        relative[budget.column] = 0.01 * worth[budget.column] * had / upper
    return worth.assign(**relative)


def most_worth(results: Results, count: int) -> list[int]:
    """Return the servers whose budgets are worth the most over the run, at most some, in order of index."""
    own = relative_worth(results)[["server", *(budget.column for budget in BUDGETS)]]
    total = own.groupby("server").mean().clip(lower=0.0).sum(axis=1)
    return sorted(int(m) for m in total.nlargest(count).index.to_numpy())


def worth_sentences(results: Results) -> list[str]:
    """Return which budget was worth the most from when on, in one sentence each.

    The run is divided into 12 parts; in each the budget is named of which 1 % more raises the bound the most,
    on average over the epochs; and parts with the same one make one sentence.
    """
    own, width_s = relative_worth(results), float(results.manifest["duration_s"]) / PARTS
    part = (own["time_s"] // width_s).astype(int).clip(upper=PARTS - 1).to_numpy()
    named = _named(own.assign(part=part))
    changes = [p for p in named if p == min(named) or named[p] != named[_before(named, p)]]
    sentences = []
    for k, p in enumerate(changes):
        until = changes[k + 1] if k + 1 < len(changes) else PARTS
        rows = (part >= p) & (part < until)
        sentences.append(f"From {p * width_s:,.0f} s on {_told(results, own, rows, named[p])}.")
    return sentences


def _named(own: pd.DataFrame) -> dict[int, tuple[int, str] | None]:
    """Return server and column of the largest mean worth in each part; None if none is above 0."""
    long = own.melt(["part", "server"], [budget.column for budget in BUDGETS], "column")
    means = long.groupby(["part", "server", "column"], as_index=False)["value"].mean()
    named: dict[int, tuple[int, str] | None] = {}
    for p, each in means.groupby("part"):
        value = each["value"].fillna(-np.inf).to_numpy()
        row = each.iloc[int(value.argmax())]
        named[int(str(p))] = (int(row["server"]), str(row["column"])) if value.max() > 0 else None
    return named


def _before(named: dict[int, tuple[int, str] | None], p: int) -> int:
    return max(q for q in named if q < p)


def _told(results: Results, own: pd.DataFrame, rows: NDArray[np.bool_], named: tuple[int, str] | None) -> str:
    if named is None:
        return "no budget of a server was worth anything"
    server, column = named
    budget = next(each for each in BUDGETS if each.column == column)
    chosen = rows & own["server"].eq(server).to_numpy()
    assert results.worth is not None
    unit = float(results.worth.loc[chosen, column].mean())
    percent = 100.0 * float(own.loc[chosen, column].mean())
    return (
        f"the {budget.name} of server {server} was worth the most: one more {budget.unit} raises the bound "
        f"of the SCR by {four_digits(unit)}, and 1 % more by {percent:.2g} %"
    )
