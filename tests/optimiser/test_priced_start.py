"""The rounding of the upper bound's prices as a start of the local search."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.bound import search as search_module
from mecsim_policies.bound.start import priced_start
from mecsim_policies.bound.upper import upper_bound
from mecsim_policies.local_search import LocalSearch
from mecsim_policies.optim.participants import Participants

from mecsim.policy import Observation
from mecsim.system.objective import Objective
from mecsim.testing.snapshots import draw_instance


def participants_of(instance):
    return Participants.of(Observation.of(instance))


def test_it_is_one_more_start_and_never_worse(snapshot):
    """Mutant: a start that is made and not searched from."""
    instance = snapshot(3, 6, 2)
    plain, priced = LocalSearch(starts=1, width=4, prices=False), LocalSearch(starts=1, width=4)
    without, found = (policy.allocate(Observation.of(instance)) for policy in (plain, priced))
    assert found.violations(instance, 0.0) == ()
    assert instance.scr(found) >= instance.scr(without)
    assert priced.iterations > plain.iterations


def test_it_heeds_who_may_have_which_server(snapshot):
    """Mutant: all servers for everybody, as without the users who are pinned."""
    participants = participants_of(snapshot(1, 6, 3))
    free = priced_start(participants, 100.0).problem.server
    others = (free + 1) % 3
    pinned = replace(participants, allowed=np.arange(3) == others[:, None])
    assert (priced_start(pinned, 100.0).problem.server == others).all()


def test_the_same_start_again_and_in_another_order(snapshot):
    instance = snapshot(2, 6, 2)
    turned = np.array([4, 2, 0, 5, 1, 3])
    first, again = (priced_start(participants_of(instance), 100.0) for _ in range(2))
    assert np.array_equal(first.shares, again.shares)
    other = priced_start(participants_of(instance.of_users(turned)), 100.0)
    assert np.array_equal(other.problem.server, first.problem.server[turned])


@pytest.mark.parametrize("kind", [
    ("capped", "electronics", "split", True),
    ("ideal", "cubic", "peft", True),
    ("ideal", "lowest speeds", "adapter", False),
], ids=["split", "peft", "adapter"])  # fmt: skip
def test_all_laws_with_a_bound_have_one(with_laws, kind):
    instance = with_laws(2, 4, 2, *kind)
    point = priced_start(participants_of(instance), 50.0)
    assert point.allocation(instance).violations(instance, 1e-9) == ()
    mean = replace(instance, objective=Objective("mean", np.ones(4), np.ones(4)))
    assert priced_start(participants_of(mean), 50.0) is not None


def test_where_no_bound_is_proved_there_is_none(with_laws, snapshot):
    """Mutant: prices for a law whose alternatives know nothing of it."""
    shared = with_laws(1, 3, 2, "ideal", "shared", "paper", False)
    assert priced_start(participants_of(shared), 50.0) is None
    plain = snapshot(1, 3, 2)
    assert priced_start(participants_of(replace(plain, ergodic=True)), 50.0) is None
    assert priced_start(participants_of(plain), float("nan")) is None
    with pytest.raises(ValueError, match="prices = 1: must be true or false"):
        LocalSearch(prices=1)


def test_what_is_left_out_of_the_search_for_prices_comes_back(monkeypatch):
    """With hundreds of alternatives only those near the best of their user are searched.

    Mutant: without a second look at those left out, the bound is 20 % higher.
    """
    instance = draw_instance(2, 6, 3)
    whole = upper_bound(instance).scr_upper
    monkeypatch.setattr(search_module, "_MANY", 0)
    monkeypatch.setattr(search_module, "_NEAR", 1e-2)
    assert upper_bound(instance).scr_upper < 1.03 * whole
    monkeypatch.setattr(search_module, "_MOST_MISSES", 1)
    assert upper_bound(instance).scr_upper > 1.1 * whole
