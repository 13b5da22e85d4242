"""Optimisers against closed forms and against each other: rows O1, O2, O4, O5 and O6.

The policies come from the registry. Part 2 of GUCRO optimises the resources for a given association and
phi; the systems here are made so that its best shares are known.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from mecsim.policy import Observation, Policy
from mecsim.registry import make_policy
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.instance import Instance
from mecsim.testing.snapshots import draw_instance
from mecsim.testing.verification.finding import Check, Finding, Setting, equal
from mecsim.testing.verification.mutant import Mutant, replaced

WORK = np.array([1.0, 4.0, 9.0])
BASELINES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro")
CLOSED_FORM = ("water_filling", "best_response", "matching", "card")


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


def root_law(setting: Setting) -> Finding:
    """Check min sum C/F, C = (1, 4, 9), F = 6: F = (1, 2, 3), where all delays have one price."""
    share = _speeds(_one_server(np.array([2.0, 1.0, 1e-3])))
    return equal(float(np.abs(6.0 * share - [1.0, 2.0, 3.0]).max()), 0.0, tol=2e-2)


def band_law(setting: Setting) -> Finding:
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
    return equal(float(np.abs(9.0 * allocation.bandwidth_hz - 9.0 * band).max()), 0.0, tol=3e-2)


def least_maximum(setting: Setting) -> Finding:
    """Check min max C/F: F in proportion to C, longest delay 14/6."""
    share = _speeds(_one_server(np.full(3, 1e-3)))
    return equal(float((WORK / (6.0 * share)).max()), 14.0 / 6.0, rel=1e-2)


def training_energy(setting: Setting) -> Finding:
    """Check that kappa f^2 C is 0.5 J for 1e-27, 1 GHz, 5e8 cycles."""
    return equal(float(eq.gpu_energy(1e-27, 1e9, 5e8)), 0.5, rel=1e-12)


def upload(setting: Setting) -> Finding:
    """Check that 1 Mbit at 10 MHz and SNR 100 takes 15.019048 ms."""
    rate = float(eq.shannon_rate(1e7, 100.0, 1.0, 1e-7))
    return equal(1e6 / rate, 15.019048e-3, rel=1e-6)


def _scrs(seed: int, names: tuple[str, ...], snapshots: int) -> Floats:
    """Return the SCR of every policy on some snapshots, (names, snapshots)."""
    return np.array([_scrs_of(type(make_policy(name)), seed, snapshots) for name in names])


@lru_cache(maxsize=28)
def _scrs_of(kind: type[Policy], seed: int, snapshots: int) -> list[float]:
    found = []
    for k in range(snapshots):
        instance = draw_instance([seed, k], 4, 2)
        allocation = kind().allocate(Observation.of(instance))
        assert allocation is not None, "nothing is in force yet"
        found.append(instance.scr(allocation))
    return found


def above_baselines(setting: Setting) -> Finding:
    """Check the best baseline over DASHF, worst of ten: at most 1."""
    scrs = _scrs(setting.seed, (*BASELINES, "dashf_plus"), 10)
    return Finding(1.0, float((scrs[:-1].max(axis=0) / scrs[-1]).max()), 0.0, 1.0 + 1e-6)


def exhaustive(setting: Setting) -> Finding:
    """Check anyone's best over every association's, worst of four: at most 1."""
    names = (*BASELINES, *CLOSED_FORM, "dashf_plus", "local_search", "exhaustive")
    scrs = _scrs(setting.seed, names, 4)
    return Finding(1.0, float((scrs[:-1].max(axis=0) / scrs[-1]).max()), 0.0, 1.0 + 1e-3)


_HERE = sys.modules[__name__]


class _Proportional:
    """The association of another policy, with shares of the one server in given proportions."""

    def __init__(self, policy: Policy, parts: Floats) -> None:
        self._policy, self._share = policy, parts / parts.sum()

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the allocation."""
        answer, servers = self._policy.allocate(observation), observation.instance.servers
        assert answer is not None, "nothing is in force yet"
        return replace(
            answer,
            server_gpu_flops=self._share * servers.max_gpu_flops[0],
            bandwidth_hz=self._share * servers.bandwidth_hz[0],
        )


def _in_proportion(bug: str, parts: Floats) -> Mutant:
    def make(make_policy: Any) -> Any:
        return lambda name: _Proportional(make_policy(name), parts)

    return replaced(bug, _HERE, "make_policy", make)


def _instead_of(bug: str, name: str, other: str) -> Mutant:
    def make(make_policy: Any) -> Any:
        return lambda asked: make_policy(other if asked == name else asked)

    return replaced(bug, _HERE, "make_policy", make)


AS_THE_WORK = _in_proportion("shares as the work", WORK)
ROOT_LAW = _in_proportion("the root law", np.sqrt(WORK))
POWER = replaced(
    "power for energy", eq, "gpu_energy", lambda _: lambda kappa, flops, work: eq.gpu_power(1.0, kappa, flops)
)
DECIBELS = replaced(
    "20 dB for 100",
    eq,
    "shannon_rate",
    lambda rate: lambda hz, power_w, *rest: rate(hz, 10.0 * np.log10(power_w), *rest),
)

CHECKS = (
    Check("O1 root law", "speeds (1, 2, 3), worst error", root_law, AS_THE_WORK),
    Check("O2 band law", "bandwidths (2, 4, 3), worst error", band_law, AS_THE_WORK),
    Check("O4 min max", "longest delay, s", least_maximum, ROOT_LAW),
    Check("O5 energy", "J of 5e8 cycles", training_energy, POWER),
    Check("O5 upload", "s for 1 Mbit", upload, DECIBELS),
    Check(
        "O6 baselines",
        "best of them / DASHF",
        above_baselines,
        _instead_of("GUCAA for DASHF", "dashf_plus", "gucaa"),
    ),
    Check(
        "O6 exhaustive",
        "best of all / exhaustive",
        exhaustive,
        _instead_of("AAUCO for exhaustive", "exhaustive", "aauco"),
    ),
)
