"""What ``mecsim compare`` says of upper bounds, where the scenario records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mecsim.analysis.bound_gap import PolicyLoss, loss_of, loss_of_policy
from mecsim.analysis.bound_texts import HEADS, loss_row

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.study.comparison import Comparison


def bound_losses(comparison: Comparison) -> list[PolicyLoss]:
    """Return the loss of each policy against the bound; empty if no run has recorded bounds."""
    found = {
        policy: [loss for run in runs if (loss := loss_of(run)) is not None]
        for policy, runs in comparison.stored_runs().items()
    }
    return [loss_of_policy(policy, losses) for policy, losses in found.items() if losses]


def losses_table(losses: list[PolicyLoss]) -> Table:
    """Return policies down; the gap to the bound and what the loss is due to across."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title="How far from the upper bound of the SCR",
        caption="gap: mean bound / mean predicted SCR - 1; loss: bound - realised SCR, of it the decision's: "
        "bound - predicted, and the world's: predicted - realised (docs/bound.md)",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    for i, head in enumerate(HEADS):
        table.add_column(head, justify="right" if i else "left", style=None if i else "bold")
    for loss in losses:
        table.add_row(*loss_row(loss))
    return table
