"""The objective of an instance in its file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mecsim.config.base import Real, Section, key
from mecsim.system.objective import Objective

_Weight = Annotated[Real, Field(ge=0)]


class _User(Section):
    model_config = Section.model_config | {
        "json_schema_extra": {"allowed": "an object with the keys delay_weight, energy_weight"}
    }

    delay_weight: _Weight = key("Weight of the user's delay", default=1.0)
    energy_weight: _Weight = key("Weight of the user's energy", default=1.0)


class ObjectiveTables(Section):
    """What an instance file says of the objective."""

    model_config = Section.model_config | {
        "json_schema_extra": {"allowed": "an object with the keys delay and users"}
    }

    delay: Literal["max", "mean"] = key("Which delay of all users counts", default="max")
    users: tuple[_User, ...] | None = key(
        "Weights of the users; left out: 1", allowed="a list of objects, one for each user", default=None
    )


def objective_of_tables(given: ObjectiveTables | None, users: int) -> Objective | None:
    """Return the objective that a file says for N users; None for the paper's."""
    if given is None:
        return None
    rows = [_User()] * users if given.users is None else given.users
    weights = [np.array([getattr(row, name) for row in rows]) for name in ("delay_weight", "energy_weight")]
    return Objective.of(given.delay, *weights)


def tables_of_objective(objective: Objective) -> dict[str, Any]:
    """Return the tables that :func:`objective_of_tables` reads back as the same objective."""
    columns = zip(objective.delay_weight.tolist(), objective.energy_weight.tolist(), strict=True)
    rows = [{"delay_weight": a, "energy_weight": c} for a, c in columns]
    return {"delay": objective.delay, "users": rows}
