"""The objective of a run in its manifest."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecsim.errors import ResultStoreError
from mecsim.results.result import Results
from mecsim.system.objective import Objective

_WEIGHTS = ("delay_weight", "energy_weight")


def objective_entries(objective: Objective | None) -> dict[str, Any]:
    """Return what a manifest says of an objective beside its prices; nothing of the paper's."""
    if objective is None:
        return {}
    lists = {name: getattr(objective, name).tolist() for name in _WEIGHTS}
    return {"delay": objective.delay} | {name: own for name, own in lists.items() if set(own) != {1.0}}


def objective_of(results: Results) -> Objective | None:
    """Return the objective of one run, for all its users; None for the paper's.

    Raises
    ------
    ResultStoreError
        If the manifest has no weight for a user of the rounds table.
    """
    given = results.manifest["objective"]
    if "delay" not in given:
        return None
    users = int(results.rounds["user"].max()) + 1 if len(results.rounds) else 0
    weights = {name: np.array(given[name] if name in given else np.ones(users)) for name in _WEIGHTS}
    for name, weight in weights.items():
        if len(weight) < users:
            raise ResultStoreError(
                f"manifest.json: objective.{name} has {len(weight)} values, the rounds have {users} users"
            )
    return Objective(given["delay"], **weights)
