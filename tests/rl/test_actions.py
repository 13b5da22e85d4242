"""Every action is a feasible allocation, and every feasible allocation is an action."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import load_scenario
from mecsim.errors import MecsimError
from mecsim.rl.actions import FORMS, ActionCode
from mecsim.rl.observations import ObservationCode, flat_size, shapes, slots_of
from mecsim.rl.slots import Slots, slot_count
from mecsim.rl.stepped_run import SteppedRun
from mecsim.system.arrays import frozen
from mecsim.system.resources import GRANTS

# Memory bounds phi, GPUs have least speeds, a server is down and some users are pinned.
SCENARIO = load_scenario("llm-phones").with_changes({
    "users.count": 6,
    "users.gpu_min": 0.2,
    "handover.mode": "pin",
    "reallocation.period_s": 20.0,
})  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """Return what is seen after a few decisions, with somebody pinned."""
    run, code = SteppedRun(SCENARIO, 1), ActionCode("association", 6, 2)
    for k in range(4):
        slot = np.arange(6)
        run.step(code.decode(np.array([k % 2, 0, 1, 0, 1, 1]), run.observation, slot))
    assert run.observation.pinned.any()
    return run.observation


def drawn(code, rng):
    """Return an action with shares that are often 0 or 1."""
    server = rng.integers(code.servers, size=code.slots)
    if not code.shares:
        return server
    shares = {name: np.clip(rng.uniform(-0.5, 1.5, code.slots), 0, 1) for name in code.shares}
    return {"server": server, **shares}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMS), st.integers(3, 8))
def test_every_action_is_feasible(seen, seed, form, slots):
    """Mutant: shares of a server divided by the number of its users; phi not cut to the memory."""
    code, rng = ActionCode(form, slots, 2), np.random.default_rng(seed)
    slot = np.where(np.arange(6) < slots, np.arange(6), -1)
    allocation = code.decode(drawn(code, rng), seen, slot)
    assert allocation.violations(seen.instance, 1e-12) == ()
    assert (allocation.server == seen.allocation.server)[seen.pinned].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_feasible_allocation_is_its_own_action(seen, seed):
    """Mutant: shares always divided by their sum."""
    code, rng, slot = ActionCode("full", 6, 2), np.random.default_rng(seed), np.arange(6)
    # Less than everything: what a policy need not use up.
    feasible = code.decode(drawn(code, rng), seen, slot)
    feasible = dataclasses.replace(
        feasible, **{g.field: getattr(feasible, g.field) * 0.7 for g in GRANTS if g.owner == "server"}
    )
    again = code.decode(code.encode(feasible, seen, slot), seen, slot)
    np.testing.assert_array_equal(again.server, feasible.server)
    for one, other in zip(again.columns, feasible.columns, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=0)


def test_what_is_seen_is_written_where_the_table_of_parts_says(seen):
    """Mutant: the server in force of the wrong slot."""
    code, slot = ObservationCode(8, 2, SCENARIO.duration_s), frozen([3, 0, 1, -1, 7, 2], np.int64)
    parts = code.parts(seen, slot)
    assert {name: part.shape for name, part in parts.items()} == shapes(8, 2)
    np.testing.assert_array_equal(parts["mask"], [1, 1, 1, 1, 0, 0, 0, 1])
    assert parts["server"][3].argmax() == seen.allocation.server[0]
    assert parts["server"][7].argmax() == seen.allocation.server[4]
    assert parts["phase"][0].argmax() == seen.phase[1] + 1
    decibels = 10 * np.log10(seen.instance.gain[5])
    np.testing.assert_allclose(parts["gain"][2], (decibels + 110) / 60, rtol=1e-5)
    np.testing.assert_allclose(parts["load"], np.bincount(seen.allocation.server, minlength=2) / 8)
    flat = code.flat(seen, slot)
    np.testing.assert_array_equal(flat, np.concatenate([part.ravel() for part in parts.values()]))
    assert slots_of(flat_size(8, 2), 2) == 8
    assert slots_of(flat_size(8, 2) + 1, 2) is None


def test_users_keep_their_slot_as_long_as_they_are_seen():
    slots = Slots(3)
    np.testing.assert_array_equal(slots.assign(np.array([4, 7])), [0, 1])
    np.testing.assert_array_equal(slots.assign(np.array([7, 8, 9, 11])), [1, 0, 2, -1])
    np.testing.assert_array_equal(slots.assign(np.array([7, 11])), [1, 0])


def test_there_are_slots_for_those_who_may_be_there_at_once():
    assert slot_count(load_scenario("campus")) == 10
    assert slot_count(load_scenario("stadium")) == 80
    arrivals = {"rate_per_s": 0.01, "stay_s": {"exponential": 900}}
    many = load_scenario("campus").with_changes({"users.arrivals": arrivals})
    assert slot_count(many) == 10 + 9 + 18


def test_forms_and_fractions_are_checked():
    with pytest.raises(MecsimError, match="did you mean 'full'"):
        ActionCode("ful", 1, 1)
    with pytest.raises(MecsimError, match="from 0 to 1"):
        ActionCode("full", 1, 1, 2.0)
