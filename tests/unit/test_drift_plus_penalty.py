"""Drift plus penalty: queues, their prices, and mean power <= budget + Q(T) / T (verification M-e)."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.drift_plus_penalty import DriftPlusPenalty

from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation, ScenarioInfo
from mecsim.system.arrays import frozen
from mecsim.system.phases import Phase
from mecsim.testing.snapshots import draw_instance
from mecsim.world.population import energy_budgets_w
from mecsim.world.world import World

BUDGET_W = 1.0
INFO = ScenarioInfo("x", 3, 2, 60.0, 5.0, (1.0, 2.0, np.inf))


@pytest.fixture(scope="module")
def scenario(make_scenario):
    """Users who train most of it themselves if nothing keeps them from it, with half a watt of idle power."""
    return make_scenario({
        "duration_s": 30,
        "users.energy_budget_w": BUDGET_W,
        "users.battery": {"capacity_j": 1e9, "idle_w": 0.5},
        "servers.gpu_count": 1,
        "servers.bandwidth_mhz": 2,
        "users.gpu": {"peak_tflops": 8.873, "board_power_w": 600},
        "workload.token_bits": {"uniform": [50e6, 150e6]},
    })  # fmt: skip


class Kept(DriftPlusPenalty):
    """Keeps the time and the queues of each decision."""

    def allocate(self, observation):
        answer = super().allocate(observation)
        self.kept = [*getattr(self, "kept", []), (observation.time_s, self.queue_j)]
        return answer


class GivesTheBudgetTwice(Kept):
    def reset(self, info, rng):
        self._begin(tuple(2.0 * w for w in info.energy_budget_w))


class ForgetsIdlePower(Kept):
    def _charge(self, observation):
        active_j = np.maximum(observation.spent_j - 0.5 * 5.0, 0.0)
        super()._charge(Observation(*(
            active_j if name == "spent_j" else getattr(observation, name) for name in observation.__slots__
        )))  # fmt: skip


def drawn_at_decisions(scenario, policy):
    """Return times, queues (K, N), what each device has drawn by each decision, and in all, by the meters."""
    drawn = []

    def meter(_):
        simulation.service.account_all()
        drawn.append(np.array(simulation.accounting.user_meter_j) + simulation.idle.ledger()["idle_j"])

    simulation = Simulation(scenario, policy, 1, on_progress=meter)
    record = simulation.run()
    times_s, queues_j = zip(*policy.kept, strict=True)
    total_j = record.ledger["user_meter_j"] + record.ledger["idle_j"]
    return np.array(times_s), np.array(queues_j), np.array(drawn), total_j


@pytest.mark.parametrize("v", [1e-2, 1e9])
def test_mean_power_is_at_most_the_budget_and_the_queue_over_time(scenario, v):
    """M-e, at every decision and for every user; the queue is the largest excess of any stretch up to now."""
    times_s, queues_j, drawn_j, _ = drawn_at_decisions(scenario, Kept(v))
    assert (drawn_j <= BUDGET_W * times_s[:, None] + queues_j + 1e-9).all()
    excess_j = drawn_j - BUDGET_W * times_s[:, None]
    reflected_j = excess_j - np.minimum(np.minimum.accumulate(excess_j), 0.0)
    np.testing.assert_allclose(queues_j, reflected_j, atol=1e-9)


@pytest.mark.parametrize("broken", [GivesTheBudgetTwice, ForgetsIdlePower])
def test_a_queue_that_is_charged_wrongly_breaks_it(scenario, broken):
    times_s, queues_j, drawn_j, _ = drawn_at_decisions(scenario, broken(1e9))
    assert (drawn_j > BUDGET_W * times_s[:, None] + queues_j + 1.0).any()


def test_a_small_v_keeps_to_the_budget_and_a_large_one_spends(scenario):
    """Mutant: the price of own energy without its queue."""
    spent_w = {v: drawn_at_decisions(scenario, Kept(v))[3] / 30.0 for v in (1e-2, 1e9)}
    assert spent_w[1e9].max() > 2.0 * BUDGET_W
    assert spent_w[1e-2].max() < 0.7 * spent_w[1e9].max()


def seen(instance, time_s, spent_j, user=(0, 1, 2)):
    plain = Observation.of(instance.of_users(np.array(user)), time_s=time_s)
    columns = {name: getattr(plain, name) for name in plain.__slots__}
    return Observation(**(columns | {"spent_j": frozen(spent_j), "user": frozen(user, np.int64)}))


def test_the_recursion_in_closed_form():
    """Q <- max(Q + E - budget tau, 0). Mutants: no floor at 0; a repeated decision counts twice."""
    instance, policy = draw_instance(1, 3, 2), DriftPlusPenalty()
    policy.reset(INFO, np.random.default_rng(0))
    for time_s, spent_j, queue_j in (
        (0.0, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (5.0, [9.0, 3.0, 99.0], [4.0, 0.0, 0.0]),
        (5.0, [9.0, 3.0, 99.0], [4.0, 0.0, 0.0]),
        (7.0, [1.0, 5.0, 99.0], [3.0, 1.0, 0.0]),
    ):
        first = policy.allocate(seen(instance, time_s, spent_j))
        assert policy.queue_j.tolist() == queue_j
        again = policy.allocate(seen(instance, time_s, spent_j))
        assert first.bandwidth_hz.tobytes() == again.bandwidth_hz.tobytes()


def test_who_was_away_gets_no_budget_for_that_time():
    """Mutant: the budget of the whole time since the last decision."""
    instance, policy = draw_instance(1, 3, 2), DriftPlusPenalty()
    policy.reset(INFO, np.random.default_rng(0))
    policy.allocate(seen(instance, 0.0, [0.0, 0.0], (0, 2)))
    policy.allocate(seen(instance, 5.0, [7.0, 8.0], (0, 1)))
    assert policy.queue_j.tolist() == [2.0, 8.0, 0.0]
    policy.allocate(seen(instance, 10.0, [9.0, 0.0], (1, 2)))
    assert policy.queue_j.tolist() == [2.0, 7.0, 0.0]


def test_budgets_by_class_reach_the_policy(make_scenario):
    assert energy_budgets_w(make_scenario(), np.full(3, -1)) == ()
    classes = [{"name": "a", "share": 1, "energy_budget_w": 3.0}, {"name": "b", "share": 2}]
    scenario = make_scenario({"users.classes": classes})
    assert energy_budgets_w(scenario, World(scenario, 1).population.kind) == (np.inf, 3.0, np.inf)
    scenario = make_scenario({"users.classes": classes, "users.energy_budget_w": 2.0})
    policy = DriftPlusPenalty()
    Simulation(scenario, policy, 1)
    assert sorted(policy._budget_w.tolist()) == [2.0, 2.0, 3.0]


@pytest.mark.parametrize("v", [0, -1.0, 1e-320, float("nan"), float("inf"), True, "1"])
def test_wrong_v_is_named(v):
    with pytest.raises(ValueError, match=r"v = .*: must be a number >= 1e-12, in J\^2 for each"):
        DriftPlusPenalty(v)


def test_a_device_that_trains_on_keeps_its_speed():
    """A round under way keeps its phi. Mutant: full speed, as any is best if the next round has phi = 0."""
    instance = draw_instance(1, 4, 2)
    policy = DriftPlusPenalty()
    first = policy.allocate(Observation.of(instance))
    remote = first.local_fraction == 0.0
    assert remote.any()
    speed = np.full(len(remote), 0.4) * instance.users.max_gpu_flops
    before = replace(first, user_gpu_flops=speed)
    training = Observation.of(instance, time_s=5.0, allocation=before)
    training = replace(training, phase=frozen(np.full(len(remote), Phase.LOCAL), np.int8))
    answer = policy.allocate(training)
    kept = answer.local_fraction == 0.0
    assert kept.any()
    assert (answer.user_gpu_flops[kept] == speed[kept]).all()
    idle = DriftPlusPenalty()
    idle.allocate(Observation.of(instance))
    free = idle.allocate(Observation.of(instance, time_s=5.0, allocation=before))
    assert (free.user_gpu_flops[kept] == instance.users.max_gpu_flops[kept]).all()
    assert instance.scr(answer) == pytest.approx(instance.scr(free), rel=1e-12)
