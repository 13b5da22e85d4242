"""Rate laws, power of devices, work of models and memory together: static system, slow twin, meters.

Each law alone is in test_law.py, test_power.py, test_work_models.py and test_twin.py. Bugs: a charge without
its electronics, a handover whose data take no power, a shared GPU that counts a user without work.
"""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.world.round_work import affine_work

PHASES = ("local", "uplink", "server", "downlink")
RATES = {
    "shannon": {},
    "capped": {
        "channel.rate": {"up": {"cap_bps_hz": 2.0, "gap_db": 3}, "down": {"cap_bps_hz": 1.0, "overhead": 0.1}}
    },
    "ergodic capped": {"channel.rate": "lte-36942", "channel.fading.model": "ergodic"},
}
# Small enough to finish rounds in a minute.
SMALL = {"params": 3e5, "layers": 4, "width": 2}
BOTH = {"users.epochs": 2, "servers.epochs": 2}
MODELS = {
    "paper": {},
    "adapter": {"workload.share_data": True, "workload.base_model": SMALL},
    "peft": {"workload.model": "peft", "workload.base_model": SMALL, "workload.recompute": True},
    "split": {"workload.model": "split", "workload.base_model": SMALL, "users.gpu_count": 1, **BOTH},
}
BOARDS = {
    "users.gpu": {"peak_tflops": 8.9, "board_power_w": 180, "idle_power_w": 8, "memory_gb": 0.02},
    "servers.gpu": {"peak_tflops": 19.5, "board_power_w": 400, "idle_power_w": 50, "memory_gb": 4},
    "servers.gpu_utilisation": 0.5,
    "users.gpu_power": "board",
    "servers.gpu_power": "board",
    "users.gpu_min": 0.2,
    "users.circuit_power_w": 0.4,
    "users.receive_power_w": 0.3,
    "servers.circuit_power_w": 6.0,
    "servers.receive_power_w": 3.0,
}
SHARED = BOARDS | {"servers.gpu_power": "shared", "servers.gpu_min": 0.5}
LITTLE = {"users.gpu": BOARDS["users.gpu"] | {"memory_gb": 0.004}}
MODES = {
    "": {},
    "work conserving": {"service.sharing": "work_conserving"},
    "restart": {"handover.mode": "restart"},
}
UNENDING = {
    "reallocation.period_s": 1e6,
    "reallocation.csi": "instantaneous",
    "duration_s": 1e6,
    "workload.rounds": {"mode": "synchronous", "think_s": 8e5},
    "record.positions_s": 1e6,
}


@pytest.mark.parametrize(("rate", "model", "little"), list(itertools.product(RATES, MODELS, (False, True))))
def test_exactness_law(draw_scenario, random_policy, assert_law, rate, model, little):
    """What a round costs is what the static system says, of a random policy and of those that optimise."""
    changes = UNENDING | RATES[rate] | MODELS[model] | BOARDS | (LITTLE if little else {})
    for seed, policy in (
        (1, random_policy(1, zeros=0)),
        (2, make_policy("gucro")),
        (3, make_policy("aauco")),
    ):
        scenario = draw_scenario(seed, moving=False, users=5, changes=changes)
        assert_law(scenario, policy, seed)


def rows_of(rounds):
    names = ("user", "index", "phi", "moved_bits", "start_s")
    table = [[*(getattr(r, name) for name in names), *r.time_s, *r.energy_j] for r in rounds]
    return np.array(sorted(table), dtype=float)


def rows_of_table(table):
    names = ("user", "round", "local_fraction", "moved_bits", "start_s")
    names += tuple(f"{phase}_{unit}" for unit in "sj" for phase in PHASES)
    rows = np.stack([table[name].astype(float) for name in names], axis=1)
    return rows[np.lexsort((table["round"], table["user"]))]


def compare(scenario, make, seed):
    """Hold the engine against its slow twin; return the energy of all rounds."""
    twin = ReferenceEngine(scenario, make(), seed)
    expected = rows_of(twin.run())
    record = Simulation(scenario, make(), seed).run()
    got = rows_of_table(record.rounds)
    assert got.shape == expected.shape
    begun = expected[:, 5:].sum(axis=1) > 0
    scale = np.abs(expected).max(axis=0) + 1e-300
    np.testing.assert_allclose(got[begun] / scale, expected[begun] / scale, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(record.ledger["user_meter_j"], twin.user_meter_j, rtol=1e-9)
    np.testing.assert_allclose(record.ledger["server_meter_j"], twin.server_meter_j, rtol=1e-9)
    metered_j = math.fsum(record.ledger["user_meter_j"]) + math.fsum(record.ledger["server_meter_j"])
    assert math.fsum(record.rounds["energy_j"]) == pytest.approx(metered_j, rel=1e-9)
    return metered_j


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("rate", "model"), list(itertools.product(RATES, MODELS)))
def test_the_slow_twin_agrees(draw_scenario, random_policy, allowed, rate, model, mode):
    changes = RATES[rate] | MODELS[model] | SHARED | MODES[mode]
    scenario = draw_scenario(5, moving=True, changes=changes)
    assert compare(scenario, lambda: allowed(random_policy(5)), 5) > 0


def test_a_charge_without_its_time_is_noticed(draw_scenario, random_policy, allowed, monkeypatch):
    """Mutant: the engine sends the data of `split`, and the electronics draw nothing for it."""
    changes = RATES["capped"] | MODELS["split"] | SHARED
    scenario = draw_scenario(5, moving=True, changes=changes)
    monkeypatch.setattr("mecsim.engine.round_runner.affine_work", forgets_data)
    with pytest.raises(AssertionError):
        compare(scenario, lambda: allowed(random_policy(5)), 5)


def forgets_data(*arguments):
    work = affine_work(*arguments)
    return dataclasses.replace(work, uplink_fixed_bits=0.0 * work.uplink_fixed_bits)
