"""Optimisers against closed forms and against each other: O1, O2, O4, O5 and O6 of VERIFICATION.

The policies are asked through the registry, like anyone's. GUCRO's part 2 optimises the resources for a
given association and phi, so a system can be posed to it whose best shares are known.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system import equations as eq
from mecsim.system.arrays import Floats
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.instance import Instance
from mecsim.testing.snapshots import draw_instance
from mecsim.testing.verification.finding import Check, Finding, Setting, equal

WORK = np.array([1.0, 4.0, 9.0])
BASELINES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro")


def _one_server(local_s: Floats) -> Instance:
    """Return three users of one server of speed 6 with works 1, 4, 9; only the longest delay counts."""
    flops = 1e12
    return Instance(
        users=Users(
            adapter_params=np.full(3, 1e6),
            flops_per_param=2.0 * WORK * flops / 1e6,
            epochs=np.ones(3),
            gpu_count=np.ones(3),
            max_gpu_flops=WORK * flops / local_s,
            kappa=np.full(3, 1e-60),
            max_power_w=np.ones(3),
        ),
        servers=Servers(
            bandwidth_hz=np.array([1e9]),
            epochs=np.ones(1),
            gpu_count=np.ones(1),
            max_gpu_flops=np.array([6.0 * flops]),
            kappa=np.array([1e-60]),
            max_power_w=np.ones(1),
        ),
        gain=np.full((3, 1), 1e-3),
        noise_w_per_hz=4e-21,
        bits_per_param=1e-6,
        weights=Weights(1.0, 0.0),
        score_law=Score(1.0, 1e-2),
    )


def _speeds(instance: Instance) -> Floats:
    allocation = make_policy("gucro").allocate(Observation.of(instance))
    assert allocation is not None, "GUCRO always decides"
    share: Floats = allocation.server_gpu_flops / instance.servers.max_gpu_flops[0]
    return share


def root_law(setting: Setting, wrong: bool) -> Finding:
    """Check min sum C/F, C = (1, 4, 9), F = 6: F = (1, 2, 3), where all delays have one price."""
    share = _speeds(_one_server(np.array([2.0, 1.0, 1e-3])))
    if wrong:
        share = WORK / WORK.sum()
    return equal(float(np.abs(6.0 * share - [1.0, 2.0, 3.0]).max()), 0.0, tol=2e-2)


def band_law(setting: Setting, wrong: bool) -> Finding:
    """Check min sum D/(b r), D = (1, 4, 9), r = (1, 1, 4): b = (2, 4, 3) ninths, at one price for delays.

    Rates are nearly proportional to bandwidths where signals are very much stronger than noise: a rate of
    four is an SNR to the fourth.
    """
    band, rates = np.array([2.0, 4.0, 3.0]) / 9.0, np.array([1.0, 1.0, 4.0])
    bits_per_hz = 200.0 * rates
    upload_s = WORK / (band * bits_per_hz)
    instance = _one_server(1e-3 + upload_s.max() - upload_s)
    instance = replace(
        instance,
        users=replace(instance.users, adapter_params=WORK, flops_per_param=np.full(3, 2e12)),
        servers=replace(
            instance.servers,
            bandwidth_hz=np.ones(1),
            max_gpu_flops=np.array([1e30]),
            max_power_w=np.array([3.0]),
        ),
        gain=2.0 ** bits_per_hz[:, None],
        noise_w_per_hz=1.0,
        bits_per_param=1.0,
    )
    allocation = make_policy("gucro").allocate(Observation.of(instance))
    assert allocation is not None, "GUCRO always decides"
    share = WORK / WORK.sum() if wrong else allocation.bandwidth_hz
    return equal(float(np.abs(9.0 * share - 9.0 * band).max()), 0.0, tol=3e-2)


def least_maximum(setting: Setting, wrong: bool) -> Finding:
    """Check min max C/F: F in proportion to C, longest delay 14/6; the mutant follows the root law."""
    share = _speeds(_one_server(np.full(3, 1e-3)))
    if wrong:
        share = np.sqrt(WORK) / np.sqrt(WORK).sum()
    return equal(float((WORK / (6.0 * share)).max()), 14.0 / 6.0, rel=1e-2)


def training_energy(setting: Setting, wrong: bool) -> Finding:
    """Check that kappa f^2 C is 0.5 J for 1e-27, 1 GHz, 5e8 cycles; the mutant takes the power."""
    power_w = float(eq.gpu_power(1.0, 1e-27, 1e9))
    return equal(power_w if wrong else float(eq.gpu_energy(1e-27, 1e9, 5e8)), 0.5, rel=1e-12)


def upload(setting: Setting, wrong: bool) -> Finding:
    """Check that 1 Mbit at 10 MHz and SNR 100 takes 15.019048 ms; the mutant takes 20 dB for 100."""
    rate = float(eq.shannon_rate(1e7, 20.0 if wrong else 100.0, 1.0, 1e-7))
    return equal(1e6 / rate, 15.019048e-3, rel=1e-6)


@lru_cache(maxsize=1)
def _scrs(seed: int, names: tuple[str, ...]) -> Floats:
    """Return the SCR of every policy on ten snapshots, (names, 10)."""
    values = []
    for name in names:
        row = []
        for k in range(10):
            instance = draw_instance([seed, k], 4, 2)
            allocation = make_policy(name).allocate(Observation.of(instance))
            assert allocation is not None, "nothing is in force yet"
            row.append(instance.scr(allocation))
        values.append(row)
    return np.array(values)


def above_baselines(setting: Setting, wrong: bool) -> Finding:
    """Check the best baseline over DASHF, worst of ten: at most 1; the mutant is GUCAA for DASHF."""
    scrs = _scrs(setting.seed, (*BASELINES, "dashf"))
    return Finding(1.0, float((scrs[:-1].max(axis=0) / scrs[1 if wrong else -1]).max()), 0.0, 1.0 + 1e-6)


def exhaustive(setting: Setting, wrong: bool) -> Finding:
    """Check anyone's best over every association's, worst of ten: at most 1; the mutant is DASHF's part 1."""
    names = (*BASELINES, "dashf", "local_search", "exhaustive")
    scrs = _scrs(setting.seed, names)
    judge = scrs[names.index("aauco") if wrong else -1]
    return Finding(1.0, float((scrs[:-1].max(axis=0) / judge).max()), 0.0, 1.0 + 1e-3)


CHECKS = (
    Check("O1 root law", "speeds (1, 2, 3), worst error", "speeds as the work", root_law),
    Check("O2 band law", "bandwidths (2, 4, 3), worst error", "bandwidths as the bits", band_law),
    Check("O4 min max", "longest delay, s", "the root law", least_maximum),
    Check("O5 energy", "J of 5e8 cycles", "power for energy", training_energy),
    Check("O5 upload", "s for 1 Mbit", "20 dB for 100", upload),
    Check("O6 baselines", "best of them / DASHF", "GUCAA for DASHF", above_baselines),
    Check("O6 exhaustive", "best of all / exhaustive", "AAUCO for exhaustive", exhaustive),
)
