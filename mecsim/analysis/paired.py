"""All paired tests of a comparison in one tidy table, adjusted for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.hypotheses import (
    effect_size,
    equivalence,
    holm,
    rank_biserial,
    t_test,
    wilcoxon_exact,
)
from mecsim.analysis.stats import (
    bca_interval,
    median_interval,
    median_ratio,
    paired_difference,
    ratio_interval,
)
from mecsim.analysis.tails import heavy_tails
from mecsim.errors import MecsimError
from mecsim.messages import nearest
from mecsim.results.metrics import METRIC, TABLE_METRICS

if TYPE_CHECKING:
    import pandas as pd

    Floats1 = NDArray[np.float64]

ERROR = 0.05
MARGIN = 0.02


def paired_table(
    per_run: pd.DataFrame,
    reference: str | None = None,
    *,
    policies: Sequence[str] | None = None,
    metrics: Sequence[str] = TABLE_METRICS,
    margin: float = MARGIN,
    by: Sequence[str] = ("scenario",),
    error: float = ERROR,
) -> pd.DataFrame:
    """Return every policy against one, metric by metric.

    Parameters
    ----------
    per_run : DataFrame
        One row a run: ``policy``, ``seed``, the columns ``by`` and the metrics.
    reference : str, optional
        The policy to compare with; the first one otherwise.
    policies : sequence of str, optional
        All policies in their order, also those without any run; those with one otherwise.
    metrics : sequence of str
    margin : float
        Differences below this share of the reference's mean count as equivalent.
    by : sequence of str
        Columns within which runs are paired: the scenario and the keys that are swept.
    error : float
        Largest chance of any false verdict better or worse in the table.

    Returns
    -------
    DataFrame
        Columns: those of ``by``; ``policy``, ``reference``, ``metric``, ``unit``, ``pairs``;
        ``difference`` with its 95 % t interval ``low``, ``high`` and BCa interval ``bca_low``,
        ``bca_high``; ``median`` of the paired differences with its order-statistic interval
        ``median_low``, ``median_high``; ``ratio``, ``ratio_low``, ``ratio_high`` (Fieller);
        ``median_ratio``, ``median_ratio_low``, ``median_ratio_high`` of the ratios of pairs;
        ``effect_size``, ``rank_biserial``; ``p_t``, ``p_wilcoxon`` (exact), ``p_equivalence`` (TOST);
        ``heavy_tail``: whether the metric is one whose mean should not be trusted
        (:mod:`mecsim.analysis.tails`); ``p``, that of Wilcoxon's test there and else of the t test;
        the four adjusted by Holm over all rows, ``p_holm`` and so on; and ``verdict``: better or worse if
        ``p_holm`` is at most ``error``, else equivalent if ``p_equivalence_holm`` is, else undecided.

    Raises
    ------
    MecsimError
        If the reference is not among the policies.
    """
    import pandas as pd

    names = list(dict.fromkeys(per_run["policy"]) if policies is None else policies)
    first = names[0] if reference is None else reference
    if first not in names:
        raise MecsimError(f"reference = {first}: must be one of {', '.join(names)}{nearest(first, names)}")
    rows: list[dict[str, Any]] = []
    for setting, own in per_run.groupby(list(by), sort=False, dropna=False):
        heavy = heavy_tails(own, metrics)
        wide = own.pivot_table(index="seed", columns="policy", values=list(metrics), dropna=False)
        keys = dict(zip(by, setting, strict=True))
        rows += [
            keys
            | {"policy": name, "reference": first}
            | _row(metric, wide, name, first, margin)
            | {"heavy_tail": metric in heavy}
            for name in names
            if name != first
            for metric in metrics
        ]
    table = pd.DataFrame(rows)
    if len(table):
        # What has no mean is compared by ranks, and is not equivalent in its mean to anything.
        table["p"] = np.where(table["heavy_tail"], table["p_wilcoxon"], table["p_t"])
        table["p_equivalence"] = table["p_equivalence"].where(~table["heavy_tail"])
    for name in ("p", "p_t", "p_wilcoxon", "p_equivalence"):
        table[f"{name}_holm"] = holm(table[name]) if len(table) else []
    table["verdict"] = [_verdict(row, error) for row in table.to_dict("records")]
    return table


def _row(metric: str, wide: pd.DataFrame, policy: str, reference: str, margin: float) -> dict[str, Any]:
    missing = np.full(len(wide), np.nan)
    x, y = (
        wide[metric, name].to_numpy(np.float64) if (metric, name) in wide else missing
        for name in (policy, reference)
    )
    t, ratio, bca = paired_difference(x, y), ratio_interval(x, y), bca_interval(x - y)
    middle, middle_ratio = median_interval(x - y), median_ratio(x, y)
    return {
        "metric": metric, "unit": METRIC[metric].unit, "pairs": int(t.n),
        "difference": float(t.mean), "low": float(t.low), "high": float(t.high),
        "bca_low": float(bca.low), "bca_high": float(bca.high),
        "median": middle.median, "median_low": middle.low, "median_high": middle.high,
        "ratio": float(ratio.mean), "ratio_low": float(ratio.low), "ratio_high": float(ratio.high),
        **dict(zip(("median_ratio", "median_ratio_low", "median_ratio_high"), middle_ratio[:3], strict=True)),
        "effect_size": effect_size(x, y), "rank_biserial": rank_biserial(x, y),
        "p_t": t_test(x, y), "p_wilcoxon": wilcoxon_exact(x, y), "p_equivalence": equivalence(x, y, margin),
    }  # fmt: skip


def _verdict(row: dict[Any, Any], error: float) -> str:
    if row["p_holm"] <= error:
        # The median of the differences may be zero where their ranks all go one way.
        difference = row["rank_biserial" if row["heavy_tail"] else "difference"]
        return "better" if METRIC[row["metric"]].is_better(difference) else "worse"
    return "equivalent" if row["p_equivalence_holm"] <= error else "undecided"
