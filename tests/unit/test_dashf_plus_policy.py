"""DASHF as a policy: what is left of a round, who takes part, what it may be asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mecsim_policies.dashf_plus.horizon import remaining_work
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.shares import PHI, ShareProblem

from mecsim.errors import PolicyNotFound
from mecsim.policy import Observation, Phase
from mecsim.registry import make_policy
from mecsim.system import equations as eq
from mecsim.system.instance_file import load_instance

INSTANCE = load_instance(Path(__file__).parents[1] / "data" / "instances" / "n8m3-mixed.json")
N = INSTANCE.user_count
EVERYONE = np.arange(N)
SERVER = np.array([0, 1, 2, 0, 1, 2, 0, 1])
FRACTION = np.array([0.3, 0.0, 1.0, 0.5, 0.7, 0.2, 0.9, 0.4])


def in_force():
    problem = ShareProblem.of(INSTANCE, SERVER)
    return problem.allocation(INSTANCE, problem.equal_split(FRACTION))


def works(allocation):
    """The whole work of each phase for the users' phi, (N, 4)."""
    u, phi = INSTANCE.users, FRACTION
    bits = INSTANCE.bits_per_param
    epochs = INSTANCE.servers.epochs[allocation.server]
    return np.stack(
        [
            eq.local_work(phi, u.adapter_params, u.flops_per_param, u.epochs),
            eq.uplink_bits(phi, u.adapter_params, bits),
            eq.server_work(phi, u.adapter_params, u.flops_per_param, epochs),
            eq.downlink_bits(phi, u.adapter_params, bits),
        ],
        axis=1,
    )


def observed(phase, done=0.25):
    """Everybody in one phase, a quarter of it done; user 7 idle."""
    allocation = in_force()
    phases = np.full(N, phase)
    phases[7] = Phase.IDLE
    left = works(allocation)[:, phase] * (1.0 - done)
    left[7] = 0.0
    phi = np.where(phases == Phase.IDLE, np.nan, FRACTION)
    return replace(
        Observation.of(INSTANCE, allocation=allocation),
        phase=phases.astype(np.int8),
        remaining=left,
        local_fraction=phi,
    )


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.IDLE])
def test_what_is_left_costs_what_is_left(phase):
    """Would catch a phase counted though it is over, or phi counted twice."""
    observation = observed(phase)
    allocation = observation.allocation
    horizon = remaining_work(observation, EVERYONE)
    problem = ShareProblem.of(INSTANCE, SERVER, horizon)
    shares = problem.of_allocation(INSTANCE, allocation)
    shares[horizon.fixed, PHI] = 0.5
    delay_s, energy_j, _ = problem.evaluate(shares)
    left = np.zeros(4)
    left[phase] = 0.75
    left[phase + 1 :] = 1.0
    costs = INSTANCE.costs(allocation)
    busy = EVERYONE[:7]
    assert delay_s[busy] == pytest.approx(costs.delay_s[busy] @ left, rel=1e-12)
    assert energy_j[busy] == pytest.approx(costs.energy_j[busy] @ left, rel=1e-12)
    assert delay_s[7] == pytest.approx(costs.delay_s[7].sum(), rel=1e-12), "the idle user: a whole round"


@pytest.mark.parametrize("horizon", [None, "remaining"])
def test_part_1_and_part_2_speak_of_the_same_costs(horizon):
    """Would catch constants of the pairs that are not those of the shares."""
    observation = observed(Phase.UPLINK)
    known = remaining_work(observation, EVERYONE) if horizon else None
    problem = ShareProblem.of(INSTANCE, SERVER, known)
    shares = problem.of_allocation(INSTANCE, observation.allocation)
    if known is not None:
        shares[known.fixed, PHI] = 0.5
    delay_s, energy_j, score = problem.evaluate(shares)
    pairs = Pairs.at_slots(INSTANCE, np.full(3, 3.0), SERVER, shares, known)
    phi = shares[:, PHI]

    def at(low, high):
        return (1.0 - phi) * low[EVERYONE, SERVER] + phi * high[EVERYONE, SERVER]

    assert at(pairs.delay_0_s, pairs.delay_1_s) == pytest.approx(delay_s, rel=1e-9)
    assert at(pairs.energy_0_j, pairs.energy_1_j) == pytest.approx(energy_j, rel=1e-9)
    assert pairs.score[EVERYONE, SERVER] == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("horizon", ["round", "remaining"])
@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.IDLE])
def test_an_answer_in_mid_round_is_feasible(phase, horizon):
    observation = observed(phase)
    answer = make_policy("dashf_plus", horizon=horizon).allocate(observation)
    assert answer.violations(INSTANCE, 0.0) == ()


def test_active_only_leaves_out_the_idle():
    observation = observed(Phase.SERVER)
    reserved = make_policy("dashf_plus").allocate(observation)
    left_out = make_policy("dashf_plus", active_only=True).allocate(observation)
    assert reserved.bandwidth_hz[7] > 0
    assert left_out.bandwidth_hz[7] == left_out.server_gpu_flops[7] == 0
    assert left_out.local_fraction[7] == FRACTION[7]
    assert (left_out.bandwidth_hz[:7] > 0).all()


def test_who_reaches_no_server_trains_alone_and_the_others_go_on():
    gain = INSTANCE.gain.copy()
    gain[2] = 0.0
    instance = replace(INSTANCE, gain=gain)
    answer = make_policy("dashf_plus").allocate(Observation.of(instance))
    assert answer.local_fraction[2] == 1.0
    assert answer.bandwidth_hz[2] == 0.0
    others = np.delete(EVERYONE, 2)
    assert np.isfinite(instance.delay(answer)[others]).all()


def test_a_pinned_user_may_only_have_its_own_server():
    pinned = np.zeros(N, dtype=bool)
    pinned[4] = True
    observation = replace(Observation.of(INSTANCE, allocation=in_force()), pinned=pinned)
    allowed = Participants.of(observation).allowed
    assert allowed[4].tolist() == [False, True, False]
    assert allowed[5].all()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_iterations": 0}, "max_iterations = 0: must be a whole number >= 1"),
        ({"looks": -1}, "looks = -1: must be a whole number >= 0"),
        ({"horizon": "rounds"}, "horizon = 'rounds': must be 'round' or 'remaining'"),
        ({"lookz": 1}, "did you mean 'looks'"),
    ],
)
def test_parameters_are_checked(parameters, said):
    with pytest.raises(PolicyNotFound, match=said):
        make_policy("dashf_plus", **parameters)


def test_the_trace_tells_every_iterate_of_the_last_decision():
    policy = make_policy("dashf_plus")
    answer = policy.allocate(Observation.of(INSTANCE))
    kept = [row for row in policy.trace if row.accepted]
    assert policy.iterations == len(policy.trace) > 0
    assert max(row.scr for row in kept) == pytest.approx(INSTANCE.scr(answer), rel=1e-9)
