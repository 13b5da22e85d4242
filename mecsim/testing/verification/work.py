"""The work of a round with a base model, and what fits into memory: rows S4."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.scenario import memory
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.testing.verification.broken_engine import other_scenario
from mecsim.testing.verification.finding import Check, Finding, Setting, equal, no_difference
from mecsim.testing.verification.mutant import replaced
from mecsim.world import round_work
from mecsim.world.world import World

_SMALL = {"params": 3e5, "layers": 4, "width": 8}
_CARD = {"peak_tflops": 9, "board_power_w": 180, "memory_gb": 0.01}


def _scenario(**workload: Any) -> Scenario:
    changes = {f"workload.{name}": value for name, value in workload.items()}
    return load_scenario("paper").with_changes({"workload.adapter_params": 1.2e6, **changes})


def forward_and_backward(setting: Setting) -> Finding:
    """Check that training 1.2e6 parameters through LLaMA 7B is 3,745 times the adapter's own work."""
    whole = World(_scenario(model="peft", base_model="llama-7b"), setting.seed).instance(0.0)
    assert whole.work is not None, "the model is no adapter alone"
    own = whole.users.adapter_params * whole.users.flops_per_param
    return equal(float((whole.work.local(1.0) / own).max()), 1.0 + 4.0 * 6.74e9 / (6.0 * 1.2e6), rel=1e-12)


def activations(setting: Setting) -> Finding:
    """Check the bits of a split at phi = 1/2: half an adapter, and 16 for each token and unit of width."""
    made = World(_scenario(model="split", base_model=_SMALL), setting.seed).instance(0.0)
    assert made.work is not None, "the model is no adapter alone"
    tokens = made.users.flops_per_param / 6.0
    expected = 0.5 * 1.2e6 * 32.0 + tokens * 8.0 * 16.0
    return no_difference(made.work.uplink(0.5), expected, tol=1e-12)


def room(setting: Setting) -> Finding:
    """Check that one GTX 1080 of 8 GB holds 29 % of LLaMA 7B in fp32 with its activations recomputed."""
    card = {"peak_tflops": 8.873, "board_power_w": 180, "memory_gb": 8}
    precise = _scenario(model="split", base_model="llama-7b", precision="fp32", recompute=True)
    users = World(precise.with_changes({"users.gpu": card, "users.gpu_count": 1}), 0).instance(0.0).users
    needed = 6.74e9 * 4.0 + 16.0 * 1.2e6 + 2.0 * 2048.0 * 32.0 * 4096.0
    return equal(float(users.local_fraction_max[0]), 8e9 / needed, rel=1e-12)


def twin(setting: Setting) -> Finding:
    """Check the engine against the slow twin in a moving split whose users hold a part of the model."""
    changes = {
        "workload.model": "split",
        "workload.base_model": _SMALL,
        "users.gpu": _CARD,
        "duration_s": 10.0,
        "warmup_s": 0.0,
        "users.count": 4,
        "record.positions_s": 10.0,
        "users.epochs": 2,
        "servers.epochs": 2,
    }
    scenario = load_scenario("smoke").with_changes(changes)
    rounds = Simulation(scenario, make_policy("gucaa"), 3 + setting.seed).run().rounds
    slow = ReferenceEngine(scenario, make_policy("gucaa"), 3 + setting.seed).run()
    names = ("user", "round", "uplink_s", "server_s", "energy_j", "moved_bits")
    got = sorted(zip(*(rounds[name].tolist() for name in names), strict=True))
    expected = sorted(
        (r.user, r.index, r.time_s[1], r.time_s[2], math.fsum(r.energy_j), r.moved_bits) for r in slow
    )
    return no_difference(np.array(got) + 1.0, np.array(expected) + 1.0, tol=1e-9)


def _doubled(charge: str) -> Any:
    def make(affine_work: Any) -> Any:
        def work(*args: Any) -> Any:
            found = affine_work(*args)
            return found if found is None else replace(found, **{charge: 2.0 * getattr(found, charge)})

        return work

    return make


_HERE = sys.modules[__name__]
ONE_PASS = replaced("the forward pass alone", round_work, "_BACKWARD", lambda _: 0.0)
SENT_IN_FULL = replaced(
    "activations at 32 bits",
    sys.modules["mecsim.world.workload"],
    "affine_work",
    _doubled("uplink_fixed_bits"),
)
WEIGHTS_ALONE = replaced("weights alone", memory, "trained_bytes", lambda _: lambda params: 0.0 * params)
ONE_EPOCH = other_scenario("one epoch", _HERE, {"users.epochs": 1, "servers.epochs": 1})

CHECKS = (
    Check("S4 passes", "work of llama-7b / adapter's", forward_and_backward, ONE_PASS),
    Check("S4 activations", "bits of a split, difference", activations, SENT_IN_FULL),
    Check("S4 memory", "phi that fits into 8 GB", room, WEIGHTS_ALONE),
    Check("S4 twin", "engine and slow twin, a split", twin, ONE_EPOCH),
)
