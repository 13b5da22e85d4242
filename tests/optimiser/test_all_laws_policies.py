"""Every policy with every law of rates, of power and of work together: no violation, and what it predicts."""

import itertools

import numpy as np
import pytest

from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import list_policies, make_policy
from mecsim.testing.snapshots import mid_round

M = 2
# A search through every association of more users takes seconds; three have every bound of phi.
USERS = {"exhaustive": 2, "certified": 2, "local_search": 3, "dashf_reference": 3}
SHORTER = {"certified": "certified:max_nodes=4"}
REMAINING = "dashf_plus:horizon=remaining"
NAMES = [*(SHORTER.get(entry.name, entry.name) for entry in list_policies() if not entry.error), REMAINING]
# A decision takes milliseconds.
QUICK = (
    "rucaa", "gucaa", "nearest", "local_only", "edge_only", "hysteresis", "switch", "bandit", "linear_rule",
    "card", "water_filling", "best_response", "matching", "aauco",
)  # fmt: skip
# Tenths of a second: one decision, from cold or in the middle of rounds by turns.
SLOW = ("dashf", "drift_plus_penalty")
SEARCHES = ("dashf_reference", "local_search", "exhaustive", "certified:max_nodes=4")


def asked(design, half, _):
    """The policies asked with laws: quick ones with all, others with a design, searches with half of it."""
    own = [name for k, name in enumerate(NAMES) if name not in QUICK and k % 6 == design]
    return [*QUICK, *(name for name in own if name not in SEARCHES or half)]


def decided(with_laws, name, laws, turn):
    """Yield the decisions of a policy, each with its instance."""
    users = USERS.get(name.partition(":")[0], 4)
    instance, policy = with_laws(1, users, M, *laws), make_policy(name)
    if hasattr(policy, "reset"):
        policy.reset(ScenarioInfo("laws", users, M, 60.0, 5.0, ()), np.random.default_rng(1))
    kinds = ("cold", "middle") if name not in (*SLOW, *SEARCHES) else ("cold",) if turn else ("middle",)
    in_force = None
    if "cold" in kinds:
        in_force = policy.allocate(Observation.of(instance))
        yield instance, in_force, policy
    if "middle" in kinds:
        in_force = in_force or make_policy("nearest").allocate(Observation.of(instance))
        pinned = np.arange(users) == 1
        yield instance, policy.allocate(mid_round(instance, in_force, pinned, 1, idle=True)), policy


def test_every_policy_decides_without_a_violation(with_laws, laws, design_of):
    """Bugs: phi above what fits, a speed below the lowest one, an energy that the policy does not see."""
    for name in asked(*design_of(laws)):
        for instance, answer, policy in decided(with_laws, name, laws, design_of(laws)[-1]):
            if answer is None:
                continue
            assert answer.violations(instance, 0.0) == (), name
            told = getattr(policy, "predicted_scr", np.nan)
            if np.isfinite(told):
                assert told == pytest.approx(instance.scr(answer), rel=1e-9), name


def test_every_policy_meets_every_two_values_together(every_law, design_of):
    """Searches meet every value. Mutants: a work that DASHF never sees with a power; a search unasked."""
    met = {(name, pair) for laws in every_law for name in asked(*design_of(laws)) for pair in pairs(laws)}
    every = {(name, pair) for laws in every_law for name in NAMES for pair in pairs(laws)}
    assert {(name, pair) for name, pair in every - met if name not in SEARCHES} == set()
    assert {(name, value) for name, pair in every for value in pair} == {
        (name, value) for name, pair in met for value in pair
    }


def pairs(laws):
    """Return the pairs of a combination's values, each value with its place."""
    return itertools.combinations(enumerate(laws), 2)
