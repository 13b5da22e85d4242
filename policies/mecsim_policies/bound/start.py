"""The rounding of the dual weights as an association to search from, where a bound is proved."""

from __future__ import annotations

import numpy as np

from mecsim_policies.bound.alternatives import Alternatives, ends_of_phi
from mecsim_policies.bound.dual import Dual
from mecsim_policies.bound.rounding import Rounded
from mecsim_policies.bound.search import Stage, cold_stages, optimised
from mecsim_policies.bound.upper import uncovered
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price

# A rounding needs no prices as good as a bound does.
_STAGES = (Stage(5e-3, 10), Stage(1e-3, 10))


def priced_start(participants: Participants, y: float) -> Point | None:
    """Return a point of the rounded dual weights at an SCR; None where a law is not covered.

    Parameters
    ----------
    participants : Participants
        Pinned users have one server.
    y : float
        An SCR that has been reached.
    """
    instance = participants.instance
    if uncovered(instance) or not (np.isfinite(y) and y > 0.0):
        return None
    alternatives = Alternatives.of(instance, ends_of_phi(instance, participants.allowed))
    alternatives = alternatives.take(alternatives.possible)
    if len(np.unique(alternatives.ends.user)) < instance.user_count:
        return None
    dual = Dual(instance, alternatives)
    weight = optimised(dual, y, None, None, cold_stages(instance, _STAGES)).value.weight
    if not np.isfinite(weight).all():
        return None
    return Rounded.of(instance, alternatives.ends, weight).point(instance, Price.at(instance, y))
