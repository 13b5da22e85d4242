"""Costs, score and ratio of random systems against a second, slow implementation of docs/model.md section 2.

The twin goes user by user in plain Python floats. Each mutant is one wrong line of it, and must differ.
"""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import Allocation, Instance, load_instance
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.rate_spec import IDEAL, RATES, RateSpec, SpectralEfficiency

LAW = settings(max_examples=100, deadline=None, derandomize=True)
INSTANCES = Path(__file__).resolve().parents[1] / "data" / "instances"
EXPECTED = json.loads((INSTANCES / "expected.json").read_text("utf-8"))


SPECS = (IDEAL, *RATES.values(), RateSpec(up=SpectralEfficiency(0.7, 2.0, 3.0, 0.3)))


def draw_system(seed):
    """A random system and a random, not always feasible allocation of it; some values are 0 or 1."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 9)), int(rng.integers(1, 5))

    def around(size, middle):
        return middle * np.exp(rng.normal(0.0, 1.0, size))

    def group(kind, size):
        middles = {
            "adapter_params": 5e6,
            "flops_per_param": 4e6,
            "max_gpu_flops": 5e12,
            "kappa": 2e-37,
            "max_power_w": 1.0,
            "bandwidth_hz": 1e7,
        }
        names = [f.name for f in fields(kind) if f.name != "local_fraction_max"]
        columns = {name: around(size, middles.get(name, 1.0)) for name in names}
        return kind(**columns | {name: rng.integers(1, 9, size) for name in ("epochs", "gpu_count")})

    users, servers = group(Users, n), group(Servers, m)
    instance = Instance(
        users=users,
        servers=servers,
        gain=around((n, m), 1e-11),
        noise_w_per_hz=float(around((), 4e-21)),
        bits_per_param=float(rng.choice([0.0, 16.0, 32.0])),
        weights=Weights(float(rng.uniform(0.1, 1.0)), float(rng.uniform(1e-3, 1e-1))),
        score_law=Score(float(rng.uniform(1.0, 2000.0)), float(rng.uniform(0.1, 1.0))),
        rate=SPECS[seed % len(SPECS)],
    )
    server = rng.integers(0, m, n)

    def share(top):
        return top * rng.uniform(0.05, 1.0, n) * (rng.random(n) >= 0.1)

    allocation = Allocation(
        server=server,
        local_fraction=np.where(rng.random(n) < 0.3, rng.integers(0, 2, n), rng.random(n)),
        bandwidth_hz=share(servers.bandwidth_hz[server]),
        user_power_w=share(users.max_power_w),
        server_power_w=share(servers.max_power_w[server]),
        user_gpu_flops=share(users.max_gpu_flops),
        server_gpu_flops=share(servers.max_gpu_flops[server]),
    )
    return instance, allocation


class Twin:
    """docs/model.md section 2, one user at a time. Each method is one equation, for a mutant to replace."""

    def __init__(self, instance, allocation):
        self.instance, self.allocation = instance, allocation

    def rate(self, b, h, p, way):
        if b == 0.0:
            return 0.0
        own = getattr(self.instance.rate, way)
        snr = h * p / (self.instance.noise_w_per_hz * b)
        efficiency = own.efficiency * math.log1p(snr / own.gap) / math.log(2.0)
        return b * (1.0 - own.overhead) * min(efficiency, own.cap_bps_hz)

    def time(self, work, rate):
        if work == 0.0:
            return 0.0
        return work / rate if rate > 0.0 else math.inf

    def transfer(self, bits, b, h, power, way):
        time_s = self.time(bits, self.rate(b, h, power, way))
        return time_s, math.inf if math.isinf(time_s) else power * time_s

    def training(self, flop, gpus, kappa, speed):
        return self.time(flop, gpus * speed), kappa * speed * speed * flop

    def bits(self, share, d):
        return share * d * self.instance.bits_per_param

    def score(self, b, q, g):
        return self.instance.score_law.scale * math.log(1.0 + self.instance.score_law.slope * (b + q + g))

    def user(self, n):
        """Delays, energies and score of one user."""
        u, s, a = self.instance.users, self.instance.servers, self.allocation
        m = int(a.server[n])
        d, t, phi = float(u.adapter_params[n]), float(u.flops_per_param[n]), float(a.local_fraction[n])
        b, h = float(a.bandwidth_hz[n]), float(self.instance.gain[n, m])
        p, q = float(a.user_power_w[n]), float(a.server_power_w[n])
        f, g = float(a.user_gpu_flops[n]), float(a.server_gpu_flops[n])
        phases = (
            self.training(t * d * phi * float(u.epochs[n]), float(u.gpu_count[n]), float(u.kappa[n]), f),
            self.transfer(self.bits(phi, d), b, h, p, "up"),
            self.training(
                t * d * (1.0 - phi) * float(s.epochs[m]), float(s.gpu_count[m]), float(s.kappa[m]), g
            ),
            self.transfer(self.bits(1.0 - phi, d), b, h, q, "down"),
        )
        score = self.score(
            b / float(s.bandwidth_hz[m]), q / float(s.max_power_w[m]), g / float(s.max_gpu_flops[m])
        )
        return [time_s for time_s, _ in phases], [energy_j for _, energy_j in phases], score

    def everything(self):
        """Delays and energies (N, 4), scores (N,), and the ratio."""
        users = [self.user(n) for n in range(self.instance.user_count)]
        delays, energies, scores = (list(column) for column in zip(*users, strict=True))
        slowest, total = max(map(sum, delays)), sum(map(sum, energies))
        cost = self.instance.weights.delay_per_s * slowest + self.instance.weights.energy_per_j * total
        return np.array(delays), np.array(energies), np.array(scores), sum(scores) / cost


def check_system(instance, allocation, twin=Twin, rel=1e-12):
    costs = instance.costs(allocation)
    delays, energies, scores, ratio = twin(instance, allocation).everything()
    np.testing.assert_allclose(costs.delay_s, delays, rtol=rel)
    np.testing.assert_allclose(costs.energy_j, energies, rtol=rel)
    np.testing.assert_allclose(instance.delay(allocation), delays.sum(axis=1), rtol=rel)
    np.testing.assert_allclose(instance.energy(allocation), energies.sum(axis=1), rtol=rel)
    np.testing.assert_allclose(instance.score(allocation), scores, rtol=rel)
    assert instance.scr(allocation) == pytest.approx(ratio, rel=rel)


@LAW
@given(seed=st.integers(0, 10**9))
def test_the_system_is_its_twin(seed):
    check_system(*draw_system(seed))


def test_the_draws_hold_the_edges():
    """phi 0 and 1, grants of zero with and without work, systems that never finish and ones that do."""
    systems = [draw_system(seed) for seed in range(60)]
    phi = np.concatenate([a.local_fraction for _, a in systems])
    assert {0.0, 1.0} <= set(phi.tolist())
    assert any((a.bandwidth_hz == 0.0).any() for _, a in systems)
    assert any(i.scr(a) == 0.0 for i, a in systems)
    assert any(i.scr(a) > 0.0 for i, a in systems)


class NaturalLog(Twin):
    def rate(self, b, h, p, way):
        return super().rate(b, h, p, way) * math.log(2.0)


class UpAsDown(Twin):
    def rate(self, b, h, p, way):
        return super().rate(b, h, p, "up")


class Bytes(Twin):
    def bits(self, share, d):
        return super().bits(share, d) / 8.0


class OneGpu(Twin):
    def training(self, flop, gpus, kappa, speed):
        return self.time(flop, speed), kappa * speed * speed * flop


class CubedSpeed(Twin):
    def training(self, flop, gpus, kappa, speed):
        return self.time(flop, gpus * speed), kappa * speed**3 * flop


class EnergyPerGpu(Twin):
    def training(self, flop, gpus, kappa, speed):
        return self.time(flop, gpus * speed), gpus * kappa * speed * speed * flop


class SwappedPhases(Twin):
    def user(self, n):
        delays, energies, score = super().user(n)
        return [*delays[2:], *delays[:2]], [*energies[2:], *energies[:2]], score


class MeanDelay(Twin):
    def everything(self):
        delays, energies, scores, _ = super().everything()
        mean, total = delays.sum(axis=1).mean(), energies.sum()
        weights = self.instance.weights
        return (
            delays,
            energies,
            scores,
            scores.sum() / (weights.delay_per_s * mean + weights.energy_per_j * total),
        )


class DecimalScore(Twin):
    def score(self, b, q, g):
        return super().score(b, q, g) / math.log(10.0)


MUTANTS = [NaturalLog, Bytes, OneGpu, CubedSpeed, EnergyPerGpu, SwappedPhases, MeanDelay, DecimalScore]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_comparison_rejects(mutant):
    """Eight unlike users on three unlike servers, every phase at work."""
    instance = load_instance(INSTANCES / "n8m3-mixed.json")
    with pytest.raises(AssertionError):
        check_system(instance, gucaa(instance), mutant)
    check_system(instance, gucaa(instance))


def test_the_comparison_rejects_rates_of_the_other_direction():
    instance = replace(load_instance(INSTANCES / "n8m3-mixed.json"), rate=RATES["nr-256qam"])
    check_system(instance, gucaa(instance))
    with pytest.raises(AssertionError):
        check_system(instance, gucaa(instance), UpAsDown)


# --- the known answers: GUCAA on every instance of expected.json


def gucaa(instance):
    """Users in order, each to the server with the fewest users, ties to the larger gain; equal split."""
    servers, load = [], [0] * instance.server_count
    for n in range(instance.user_count):
        best = min(range(instance.server_count), key=lambda m: (load[m], -instance.gain[n, m]))
        servers.append(best)
        load[best] += 1
    sharers = np.array([load[m] for m in servers])
    s = instance.servers
    return Allocation(
        server=servers,
        local_fraction=np.full(len(servers), 0.5),
        bandwidth_hz=s.bandwidth_hz[servers] / sharers,
        user_power_w=instance.users.max_power_w,
        server_power_w=s.max_power_w[servers] / sharers,
        user_gpu_flops=instance.users.max_gpu_flops,
        server_gpu_flops=s.max_gpu_flops[servers] / sharers,
    )


def check_known(name, instance, allocation):
    known = EXPECTED[name]["gucaa"]
    assert allocation.server.tolist() == known["server"]
    assert not allocation.violations(instance)
    assert instance.score(allocation).sum() == pytest.approx(known["score"], rel=1e-9)
    assert instance.delay(allocation).max() == pytest.approx(known["delay_s"], rel=1e-9)
    assert instance.energy(allocation).sum() == pytest.approx(known["energy_j"], rel=1e-9)
    assert instance.scr(allocation) == pytest.approx(known["scr"], rel=1e-9)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_known_answers_of_gucaa(name):
    instance = load_instance(INSTANCES / f"{name}.json")
    check_known(name, instance, gucaa(instance))


def test_the_known_answers_reject_another_server_for_one_user():
    instance = load_instance(INSTANCES / "n6m2.json")
    right = gucaa(instance)
    moved = Allocation(right.server[::-1], *right.columns)
    with pytest.raises(AssertionError):
        check_known("n6m2", instance, moved)
