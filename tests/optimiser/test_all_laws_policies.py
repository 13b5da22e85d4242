"""Every policy with every law of rates, of power and of work together: no violation, and what it predicts."""

import numpy as np
import pytest

from mecsim.policy import Observation
from mecsim.registry import list_policies, make_policy
from mecsim.testing.snapshots import mid_round

N, M = 4, 2
SLOW = {"exhaustive": 12, "dashf-reference": 30, "local_search": 12}
NAMES = [entry.name for entry in list_policies() if not entry.error]
REMAINING = "dashf:horizon=remaining"


def some(laws, name):
    """Whether a policy is asked with these laws: a slow one with few, all together with every one."""
    every = SLOW.get(name.partition(":")[0], 3)
    return sum(map(hash_of, laws)) % every == NAMES.index(name) % every if name in NAMES else True


def hash_of(law):
    return sum(map(ord, str(law)))


@pytest.fixture
def decide(with_laws):
    """Return a function from a policy and laws to its decisions, from cold and in the middle of rounds."""

    def decided(name, laws, seed):
        instance, policy = with_laws(seed, N, M, *laws), make_policy(name)
        if hasattr(policy, "reset"):
            policy.reset(None, np.random.default_rng(1))
        cold = policy.allocate(Observation.of(instance))
        yield instance, cold, policy
        if cold is not None:
            pinned = np.arange(N) == 1
            yield instance, policy.allocate(mid_round(instance, cold, pinned, seed, idle=True)), policy

    return decided


@pytest.mark.parametrize("name", [*NAMES, REMAINING])
def test_every_policy_decides_without_a_violation(decide, laws, name):
    """Bugs: phi above what fits, a speed below the lowest one, an energy that the policy does not see."""
    if not some(laws, name):
        pytest.skip("another policy is asked with these laws")
    for instance, answer, policy in decide(name, laws, 1):
        if answer is None:
            continue
        assert answer.violations(instance, 0.0) == ()
        told = getattr(policy, "predicted_scr", np.nan)
        if np.isfinite(told):
            assert told == pytest.approx(instance.scr(answer), rel=1e-9)
