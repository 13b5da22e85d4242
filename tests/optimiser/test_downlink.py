"""Policies on gains that are not the same both ways, as cells that disturb one another have them.

Bug it would catch: the gain upwards taken for the one downwards, which is what the ignorant one below does.
"""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.baselines import Nearest
from mecsim_policies.dashf_plus.policy import DashfPlus
from mecsim_policies.dashf_reference.policy import DashfReference

from mecsim.policy import Observation

SEEDS = range(8)


@pytest.fixture(scope="module")
def one_way(snapshot):
    """Return snapshots whose downlinks hear a hundredth to a half of the gain."""

    def drawn(seed):
        instance = snapshot(seed, 5, 2)
        share = 10.0 ** np.random.default_rng([seed, 9]).uniform(-2.0, -0.3, instance.gain.shape)
        return replace(instance, downlink_share=share)

    return [drawn(seed) for seed in SEEDS]


def answer(policy, instance):
    return policy.allocate(Observation.of(instance))


def check_knowing_helps(instances, knowing):
    ignorant = [answer(DashfPlus(), replace(instance, downlink_share=None)) for instance in instances]
    ratio = [i.scr(a) / i.scr(b) for i, a, b in zip(instances, knowing, ignorant, strict=True)]
    assert min(ratio) > 1.0 - 1e-3
    assert np.mean(ratio) > 1.005


def test_dashf_allows_for_the_gain_downwards(one_way):
    check_knowing_helps(one_way, [answer(DashfPlus(), instance) for instance in one_way])


def test_rejects_a_policy_that_does_not(one_way):
    ignorant = [answer(DashfPlus(), replace(instance, downlink_share=None)) for instance in one_way]
    with pytest.raises(AssertionError):
        check_knowing_helps(one_way, ignorant)


def test_dashf_keeps_up_with_the_paper_s_letter(one_way):
    for instance in one_way[:1]:
        literal = answer(DashfReference(), instance)
        assert instance.scr(answer(DashfPlus(), instance)) > 0.97 * instance.scr(literal)


def test_some_of_the_users_take_their_links_along(one_way):
    """A user without any gain is left out of the snapshot that the solver sees."""
    instance = one_way[0]
    gain = instance.gain.copy()
    gain[2] = 0.0
    deaf = replace(instance, gain=gain)
    found = answer(DashfPlus(), deaf)
    assert not found.violations(deaf)
    assert not answer(Nearest(), deaf).violations(deaf)
    others = deaf.of_users(np.arange(5) != 2)
    alone = answer(DashfPlus(), others)
    np.testing.assert_allclose(found.bandwidth_hz[[0, 1, 3, 4]], alone.bandwidth_hz, rtol=1e-6)
