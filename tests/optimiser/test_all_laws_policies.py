"""Every policy with every law of rates, of power and of work together: no violation, and what it predicts."""

import numpy as np
import pytest

from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import list_policies, make_policy
from mecsim.testing.snapshots import mid_round

M = 2
USERS = {"exhaustive": 3, "certified": 3}
SLOW = {"exhaustive": 12, "certified": 12, "dashf_reference": 30, "local_search": 12}
SHORTER = {"certified": "certified:max_nodes=4"}
NAMES = [SHORTER.get(entry.name, entry.name) for entry in list_policies() if not entry.error]
REMAINING = "dashf_plus:horizon=remaining"


def asks(laws):
    """The policies that are asked with these laws: a slow one with few, all together with every one."""
    number = sum(map(hash_of, laws))
    return [name for k, name in enumerate(NAMES) if (number - k) % SLOW.get(name.partition(":")[0], 3) == 0]


def hash_of(law):
    return sum(map(ord, str(law)))


@pytest.fixture
def decide(with_laws):
    """Return a function from a policy and laws to its decisions, from cold and in the middle of rounds."""

    def decided(name, laws, seed):
        users = USERS.get(name.partition(":")[0], 4)
        instance, policy = with_laws(seed, users, M, *laws), make_policy(name)
        if hasattr(policy, "reset"):
            policy.reset(ScenarioInfo("laws", users, M, 60.0, 5.0, ()), np.random.default_rng(1))
        cold = policy.allocate(Observation.of(instance))
        yield instance, cold, policy
        if cold is not None:
            pinned = np.arange(users) == 1
            yield instance, policy.allocate(mid_round(instance, cold, pinned, seed, idle=True)), policy

    return decided


def test_every_policy_decides_without_a_violation(decide, laws):
    """Bugs: phi above what fits, a speed below the lowest one, an energy that the policy does not see."""
    for name in (*asks(laws), REMAINING):
        for instance, answer, policy in decide(name, laws, 1):
            if answer is None:
                continue
            assert answer.violations(instance, 0.0) == (), name
            told = getattr(policy, "predicted_scr", np.nan)
            if np.isfinite(told):
                assert told == pytest.approx(instance.scr(answer), rel=1e-9), name


def test_every_policy_is_asked(every_law):
    """Mutant: a slow policy that no laws fall to."""
    assert {name for laws in every_law for name in asks(laws)} == set(NAMES)
