"""Every kind of work: the exactness law, the engine against its slow twin, conservation, determinism."""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.world import round_work
from mecsim.world.world import World

PHASES = ("local", "uplink", "server", "downlink")
POLICIES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "dashf", "local_search")
POLICIES += ("water_filling", "best_response", "matching", "card")
# Small enough to finish rounds in a minute: 20 to 200 Mbit of token data are 0.6 to 6 million tokens.
SMALL = {"params": 3e5, "layers": 4, "width": 2}
CARD = {"peak_tflops": 15, "board_power_w": 200, "memory_gb": 0.02}
BIG = {"peak_tflops": 15, "board_power_w": 300, "memory_gb": 4}
ONE = {"users.epochs": 2, "servers.epochs": 2}
MODELS = {
    "adapter with data": {"workload.share_data": True},
    "adapter in memory": {"workload.base_model": SMALL, "users.gpu": CARD | {"memory_gb": 0.004}},
    "peft": {"workload.model": "peft", "workload.base_model": SMALL, "workload.recompute": True},
    "peft without data": {
        "workload.model": "peft",
        "workload.base_model": SMALL,
        "workload.share_data": False,
    },
    "split": {"workload.model": "split", "workload.base_model": SMALL} | ONE,
    "split in little memory": {
        "workload.model": "split",
        "workload.base_model": SMALL,
        "users.gpu": CARD | {"memory_gb": 0.004},
        "users.gpu_count": 1,
        "workload.recompute": True,
        **ONE,
    },
}


@pytest.fixture(scope="module")
def static(draw_scenario):
    """Return a function from a seed and a kind of work to a static scenario with one decision."""
    unending = {"reallocation.period_s": 1e6, "reallocation.csi": "instantaneous", "duration_s": 1e6}
    rounds = {"workload.rounds": {"mode": "synchronous", "think_s": 8e5}, "record.positions_s": 1e6}
    held = {"servers.gpu": BIG, "servers.gpu_utilisation": 0.5}

    def draw(seed, name):
        changes = unending | rounds | held | MODELS[name]
        return draw_scenario(seed, moving=False, users=6, changes=changes)

    return draw


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("policy", POLICIES)
def test_exactness_law_of_every_kind_of_work(static, name, policy, assert_law):
    assert_law(static(3, name), make_policy(policy), 3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_exactness_law_of_a_random_policy(static, random_policy, name, seed, assert_law):
    assert_law(static(seed, name), random_policy(seed, zeros=0), seed)


def test_the_law_rejects_charges_that_the_engine_forgets(static, random_policy, monkeypatch, assert_law):
    """Mutant: the engine computes the work of a round without its charges."""
    forgets = round_work.affine_work

    def without(section, params, flops, epochs):
        work = forgets(section, params, flops, epochs)
        return dataclasses.replace(work, local_fixed_flop=0.0) if isinstance(params, float) else work

    monkeypatch.setattr("mecsim.engine.round_runner.affine_work", without)
    with pytest.raises(AssertionError):
        assert_law(static(1, "peft"), random_policy(1, zeros=0), 1)


MOVING = {
    "migrate": {"handover.mode": "migrate"},
    "restart": {"handover.mode": "restart"},
    "work conserving": {"service.sharing": "work_conserving"},
}


def rounds_of_twin(engine):
    table = {name: [] for name in ("user", "round", "delay_s", "energy_j", "moved_bits", "phi", "uplink_s")}
    for r in engine.run():
        delay_s = sum(r.time_s) + r.stall_s + r.interruption_s
        row = (r.user, r.index, delay_s, sum(r.energy_j), r.moved_bits, r.phi, r.time_s[1])
        for name, value in zip(table, row, strict=True):
            table[name].append(value)
    return {name: np.array(column) for name, column in table.items()}


def compare_with_twin(scenario, make, seed):
    expected = rounds_of_twin(ReferenceEngine(scenario, make(), seed))
    got = Simulation(scenario, make(), seed).run().rounds
    columns = [
        ("phi", "local_fraction"),
        *((name, name) for name in ("delay_s", "energy_j", "moved_bits", "uplink_s")),
    ]
    order, order_expected = (np.lexsort((t["round"], t["user"])) for t in (got, expected))
    begun = expected["delay_s"][order_expected] > 0
    for name, column in columns:
        want = expected[name][order_expected][begun]
        np.testing.assert_allclose(
            got[column][order][begun], want, rtol=1e-9, atol=1e-12 * np.abs(want).max(initial=0), err_msg=name
        )
    return expected


@pytest.mark.parametrize("mode", MOVING)
@pytest.mark.parametrize("name", MODELS)
def test_the_engine_and_its_slow_twin_agree(draw_scenario, random_policy, name, mode, allowed):
    changes = {"servers.gpu": BIG, "servers.gpu_utilisation": 0.5} | MODELS[name] | MOVING[mode]
    scenario = draw_scenario(11, moving=True, changes=changes | {"duration_s": 30.0})
    rounds = compare_with_twin(scenario, lambda: allowed(random_policy(11)), 11)
    assert len(rounds["user"]) > 1


def test_the_twin_notices_a_handover_without_the_data(draw_scenario, random_policy, monkeypatch, allowed):
    """Mutant: a server that has received the data is taken to hold the adapter's bits alone."""
    monkeypatch.setattr("mecsim.system.phases.WorkTerms.uplink", property(lambda t: 32.0 * t.adapter_params))
    scenario = draw_scenario(4, moving=True, changes={"workload.share_data": True})
    with pytest.raises(AssertionError, match="delay_s"):
        compare_with_twin(scenario, lambda: allowed(random_policy(4)), 4)


@pytest.mark.parametrize("name", MODELS)
def test_work_is_kept_and_runs_repeat(draw_scenario, digest, name):
    """K1 and D1: all work that begins is served, left or dropped; the same bits twice."""
    changes = {"servers.gpu": BIG, "servers.gpu_utilisation": 0.5} | MODELS[name]
    scenario = draw_scenario(11, moving=True, changes=changes)
    records = [Simulation(scenario, make_policy("aauco"), 5).run() for _ in range(2)]
    ledger = records[0].ledger
    done = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(done, ledger["work_started"], rtol=1e-9)
    metered_j = ledger["user_meter_j"].sum() + ledger["server_meter_j"].sum()
    np.testing.assert_allclose(records[0].rounds["energy_j"].sum(), metered_j, rtol=1e-9)
    assert digest(records[0]) == digest(records[1])


def test_split_at_its_ends_is_edge_and_local(make_scenario):
    """S4: with phi = 0 a split round is one of the server alone, with phi = 1 one of the user alone."""
    split = {"workload.model": "split", "workload.base_model": SMALL | {"params": 2e6}}
    instance = World(make_scenario(split), 0).instance(0.0)
    work, users = instance.work, instance.users
    tokens = users.flops_per_param / 6.0
    alone = (4 * 2e6 + 6 * users.adapter_params) * tokens
    np.testing.assert_allclose(work.local(1.0), alone)
    np.testing.assert_allclose(work.server(0.0), alone)
    assert not work.local(0.0).any()
    assert not work.server(1.0).any()
    np.testing.assert_allclose(work.uplink(0.0), 32 * tokens)
    np.testing.assert_allclose(work.uplink(1.0), 32 * users.adapter_params)
    np.testing.assert_allclose(work.downlink(0.5) - 16 * users.adapter_params, tokens * 2 * 16)
