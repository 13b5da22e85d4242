"""The loss against the upper bound as cells of tables, for the command line and the report."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from mecsim.analysis.bound_gap import PolicyLoss
from mecsim.analysis.rounding import four_digits, plus_minus

NONE = "-"


class LossRow(NamedTuple):
    """A policy's loss in words: mean gap, the three means behind the shares, and the shares."""

    policy: str
    gap: str
    upper_bound: str
    predicted: str
    realised: str
    decision: str
    world: str
    epochs: str


HEADS = LossRow(
    "policy", "gap (%)", "bound", "predicted", "realised", "loss: decision's", "loss: world's", "epochs"
)  # fmt: skip


def loss_row(loss: PolicyLoss) -> LossRow:
    """Return the cells of a policy."""
    mean = loss.mean
    half = 100.0 * float(loss.gap.high - loss.gap.mean)
    upper, predicted, realised = map(four_digits, (mean.upper_bound, mean.predicted, mean.realised))
    gap = "infinite" if math.isinf(mean.gap) else plus_minus(100.0 * mean.gap, half)
    shares = _percent(mean.decision_share), _percent(mean.world_share)
    return LossRow(loss.policy, gap, upper, predicted, realised, *shares, str(mean.epochs))


def loss_object(loss: PolicyLoss) -> dict[str, Any]:
    """Return the numbers of a policy for programs."""
    mean = loss.mean
    return {
        "policy": loss.policy,
        "gap": mean.gap,
        "gap_low": float(loss.gap.low),
        "gap_high": float(loss.gap.high),
        "upper_bound": mean.upper_bound,
        "predicted_scr": mean.predicted,
        "realised_scr": mean.realised,
        "decision_share": mean.decision_share,
        "world_share": mean.world_share,
        "epochs": mean.epochs,
    }


def _percent(share: float) -> str:
    return NONE if math.isnan(share) else f"{100.0 * share:.0f} %".replace("-", "\u2212")
