"""What must happen to delays and energies when a system is scaled (M2 to M4), renamed (M6) or tiny (M9)."""

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import Allocation, Instance, load_instance
from mecsim.system.devices import Servers, Users, Weights

LAW = settings(max_examples=80, deadline=None, derandomize=True)
SEEDS, FACTORS = st.integers(0, 10**9), st.floats(1e-3, 1e3)
MIXED = load_instance(Path(__file__).resolve().parents[1] / "data" / "instances" / "n8m3-mixed.json")
N, M = MIXED.user_count, MIXED.server_count


def draw_allocation(seed):
    """Random servers and grants for the eight unlike users of MIXED; some train here or there alone."""
    rng = np.random.default_rng(seed)
    server = rng.integers(0, M, N)
    s = MIXED.servers
    return Allocation(
        server=server,
        local_fraction=np.where(rng.random(N) < 0.3, rng.integers(0, 2, N), rng.random(N)),
        bandwidth_hz=s.bandwidth_hz[server] * rng.uniform(0.01, 1.0, N),
        user_power_w=MIXED.users.max_power_w * rng.uniform(0.01, 1.0, N),
        server_power_w=s.max_power_w[server] * rng.uniform(0.01, 1.0, N),
        user_gpu_flops=MIXED.users.max_gpu_flops * rng.uniform(0.01, 1.0, N),
        server_gpu_flops=s.max_gpu_flops[server] * rng.uniform(0.01, 1.0, N),
    )


def scaled(thing, **factors):
    """A copy with some of its fields multiplied."""
    return replace(thing, **{name: getattr(thing, name) * factor for name, factor in factors.items()})


def slower(k, allocation):
    """M2: a clock that runs k times slower. Rates and speeds / k; powers, SNR and shares as before."""
    instance = replace(
        MIXED,
        users=scaled(MIXED.users, max_gpu_flops=1 / k, kappa=k**3),
        servers=scaled(MIXED.servers, bandwidth_hz=1 / k, max_gpu_flops=1 / k, kappa=k**3),
        noise_w_per_hz=MIXED.noise_w_per_hz * k,
    )
    return instance, scaled(allocation, bandwidth_hz=1 / k, user_gpu_flops=1 / k, server_gpu_flops=1 / k)


def wider(k, allocation):
    """M3: k times the bits over k times the bandwidth, at noise / k."""
    instance = replace(
        MIXED,
        servers=scaled(MIXED.servers, bandwidth_hz=k),
        noise_w_per_hz=MIXED.noise_w_per_hz / k,
        bits_per_param=MIXED.bits_per_param * k,
    )
    return instance, scaled(allocation, bandwidth_hz=k)


def heavier(k, allocation):
    """M4: k times the operations on k times faster GPUs: power times k^3, and so the energy."""
    instance = replace(
        MIXED,
        users=scaled(MIXED.users, flops_per_param=k, max_gpu_flops=k),
        servers=scaled(MIXED.servers, max_gpu_flops=k),
    )
    return instance, scaled(allocation, user_gpu_flops=k, server_gpu_flops=k)


# Transformation: factor on the delays, on the energies of training, on those of transfers.
LAWS = {
    "M2": (slower, lambda k: (k, k, k)),
    "M3": (wider, lambda k: (1.0, 1.0, 1.0)),
    "M4": (heavier, lambda k: (1.0, k**3, 1.0)),
}


def check_scaling(before, after, delay, training, transfer):
    np.testing.assert_allclose(after.delay_s, before.delay_s * delay, rtol=1e-11)
    factors = np.array([training, transfer, training, transfer])
    np.testing.assert_allclose(after.energy_j, before.energy_j * factors, rtol=1e-11)


@pytest.mark.parametrize("law", LAWS)
@LAW
@given(seed=SEEDS, k=FACTORS)
def test_scaling(law, seed, k):
    transform, factors = LAWS[law]
    allocation = draw_allocation(seed)
    instance, new = transform(k, allocation)
    check_scaling(MIXED.costs(allocation), instance.costs(new), *factors(k))
    np.testing.assert_allclose(instance.score(new), MIXED.score(allocation), rtol=1e-12)


def test_m2_the_ratio_scales_with_the_weights():
    """Weights / k undo the times k of delay and energy: the same ratio."""
    allocation = draw_allocation(1)
    instance, new = slower(7.0, allocation)
    weights = Weights(MIXED.weights.delay_per_s / 7.0, MIXED.weights.energy_per_j / 7.0)
    assert replace(instance, weights=weights).scr(new) == pytest.approx(MIXED.scr(allocation), rel=1e-12)


MUTANTS = {
    "M2, noise forgotten": lambda instance: replace(instance, noise_w_per_hz=MIXED.noise_w_per_hz),
    "M3, bits forgotten": lambda instance: replace(instance, bits_per_param=MIXED.bits_per_param),
    "M4, cycles forgotten": lambda instance: replace(instance, users=MIXED.users),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_scaling_rejects(mutant):
    """A system that does not heed one of the quantities scales in another way."""
    transform, factors = LAWS[mutant[:2]]
    allocation = draw_allocation(3)
    instance, new = transform(2.0, allocation)
    with pytest.raises(AssertionError):
        check_scaling(MIXED.costs(allocation), MUTANTS[mutant](instance).costs(new), *factors(2.0))


# --- M6


def rows(group, order):
    return replace(group, **{field.name: getattr(group, field.name)[order] for field in fields(group)})


def renamed(instance, allocation, users, servers):
    """The same system with its users and servers in another order; servers[new] is the old index."""
    new_index = np.argsort(servers)
    moved = rows(allocation, users)
    return (
        replace(
            instance,
            users=rows(instance.users, users),
            servers=rows(instance.servers, servers),
            gain=instance.gain[users][:, servers],
        ),
        replace(moved, server=new_index[moved.server]),
    )


@LAW
@given(seed=SEEDS, users=st.permutations(range(N)), servers=st.permutations(range(M)))
def test_m6_renaming_users_and_servers_permutes_the_answer(seed, users, servers):
    users, servers, allocation = np.array(users), np.array(servers), draw_allocation(seed)
    instance, new = renamed(MIXED, allocation, users, servers)
    before, after = MIXED.costs(allocation), instance.costs(new)
    assert np.array_equal(after.delay_s, before.delay_s[users])
    assert np.array_equal(after.energy_j, before.energy_j[users])
    assert np.array_equal(instance.score(new), MIXED.score(allocation)[users])
    assert instance.scr(new) == pytest.approx(MIXED.scr(allocation), rel=1e-13)
    assert len(new.violations(instance)) == len(allocation.violations(MIXED))


def test_m6_rejects_a_server_that_keeps_its_number():
    allocation, servers = draw_allocation(5), np.array([2, 0, 1])
    instance, new = renamed(MIXED, allocation, np.arange(N), servers)
    forgotten = replace(new, server=allocation.server)
    assert not np.array_equal(instance.costs(forgotten).delay_s, MIXED.costs(allocation).delay_s)


# --- M9: one user, one server, O5


def single(*, bits_per_param=32.0, snr=100.0):
    """1 GHz here, 10 GHz there, kappa 1e-27, 5e8 operations for 31250 parameters: 1 Mbit over 10 MHz."""
    users = Users([31_250.0], [16_000.0], [1.0], [1.0], [1e9], [1e-27], [0.2])
    servers = Servers([1e7], [1.0], [1.0], [1e10], [1e-27], [0.2])
    gain = snr * 4e-21 * 1e7 / 0.2
    return Instance(users, servers, [[gain]], 4e-21, bits_per_param)


def everything_to(phi):
    return Allocation([0], [phi], [1e7], [0.2], [0.2], [1e9], [1e10])


def test_m9_all_local():
    """0.5 s and 0.5 J of training, and 1 Mbit at SNR 100: 15.019048 ms; nothing at the server."""
    costs = single().costs(everything_to(1.0))
    assert costs.delay_s[0].tolist() == [0.5, pytest.approx(15.019048e-3, rel=1e-7), 0.0, 0.0]
    assert costs.energy_j[0].tolist() == [0.5, pytest.approx(0.2 * 15.019048e-3, rel=1e-7), 0.0, 0.0]


def test_m9_all_at_the_server_and_the_rate_at_which_it_breaks_even():
    """0.05 s at 10 GHz; at 2.2222 Mbit/s the way back makes it 0.5 s, as long as at home."""
    snr = 2.0 ** (1e6 / 0.45 / 1e7) - 1.0
    costs = single(snr=snr).costs(everything_to(0.0))
    assert costs.delay_s[0].tolist() == [0.0, 0.0, pytest.approx(0.05), pytest.approx(0.45, rel=1e-9)]
    assert 1e6 / costs.delay_s[0, 3] == pytest.approx(2.2222e6, rel=1e-4)
    local_s = single(bits_per_param=0.0).delay(everything_to(1.0))[0]
    assert costs.delay_s[0].sum() == pytest.approx(local_s, rel=1e-9)


def test_m9_without_bits_the_radio_does_not_matter():
    still = Allocation([0], [0.25], [0.0], [0.0], [0.0], [1e9], [1e10])
    costs = single(bits_per_param=0.0).costs(still)
    assert costs.delay_s[0].tolist() == [0.125, 0.0, pytest.approx(0.0375), 0.0]
    assert (costs.energy_j[0, 1::2] == 0.0).all()


def test_m9_the_ratio_of_one_user():
    instance, allocation = single(), everything_to(1.0)
    delay_s, energy_j = 0.5 + 0.01501904838, 0.5 + 0.2 * 0.01501904838
    by_hand = 1000.0 / (0.5 * delay_s + 0.005 * energy_j)
    assert instance.scr(allocation) == pytest.approx(by_hand, rel=1e-9)
    assert instance.score(allocation)[0] == pytest.approx(1000.0, rel=1e-14)
    assert math.isfinite(by_hand)
