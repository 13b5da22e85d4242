"""The equations of docs/model.md section 2, one by one, against plain Python and at their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim.system import equations as eq

LAW = settings(max_examples=200, deadline=None, derandomize=True)
NOISE_W_PER_HZ = 10**-20.4


def positive(low, high):
    return st.floats(low, high, allow_subnormal=False)


# --- rate


def rate_by_hand(bandwidth_hz, power_w, gain):
    """b log2(1 + h p / (N0 b)) by `math`; log1p keeps the digits of a small SNR."""
    if bandwidth_hz == 0.0:
        return 0.0
    return bandwidth_hz * math.log1p(gain * power_w / (NOISE_W_PER_HZ * bandwidth_hz)) / math.log(2.0)


def rate(bandwidth_hz, power_w, gain):
    return float(eq.shannon_rate(np.array(bandwidth_hz), np.array(power_w), np.array(gain), NOISE_W_PER_HZ))


@LAW
@given(bandwidth_hz=positive(1.0, 1e9), power_w=positive(1e-9, 100.0), gain=positive(1e-25, 1.0))
def test_rate(bandwidth_hz, power_w, gain):
    expected = rate_by_hand(bandwidth_hz, power_w, gain)
    assert rate(bandwidth_hz, power_w, gain) == pytest.approx(expected, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("mutant", ["log for log2", "noise without bandwidth", "gain squared", "3 dB lost"])
def test_rate_rejects(mutant):
    b, p, h = 1e6, 0.2, 3e-12
    wrong = {
        "log for log2": b * math.log(1 + h * p / (NOISE_W_PER_HZ * b)),
        "noise without bandwidth": b * math.log2(1 + h * p / NOISE_W_PER_HZ),
        "gain squared": rate_by_hand(b, p, h * h),
        "3 dB lost": rate_by_hand(b, p / 2, h),
    }[mutant]
    assert wrong != pytest.approx(rate(b, p, h), rel=1e-3)


def test_a_link_far_below_the_noise_keeps_its_digits():
    """At an SNR of 1e-12, log2(1 + snr) is off by 1e-4: what a cell edge of 250 dB meets."""
    b, p, h = 1e7, 0.2, 1e-12 * NOISE_W_PER_HZ * 1e7 / 0.2
    assert rate(b, p, h) == pytest.approx(rate_by_hand(b, p, h), rel=1e-12, abs=0.0)
    assert b * math.log2(1 + h * p / (NOISE_W_PER_HZ * b)) != pytest.approx(rate_by_hand(b, p, h), rel=1e-6)


def test_no_bandwidth_no_power_no_gain_no_rate():
    rates = eq.shannon_rate(
        np.array([0.0, 1e6, 1e6, 0.0]),
        np.array([0.2, 0.0, 0.2, 0.0]),
        np.array([1e-10, 1e-10, 0.0, 0.0]),
        4e-21,
    )
    assert rates.tolist() == [0.0, 0.0, 0.0, 0.0]


@LAW
@given(bandwidth_hz=st.floats(0.0, 1e12), power_w=st.floats(0.0, 1e3), gain=st.floats(0.0, 1.0))
def test_the_rate_is_finite_and_below_that_of_infinite_bandwidth(bandwidth_hz, power_w, gain):
    """r < h p / (N0 ln 2), whatever the bandwidth: a sliver of it must not give an endless rate."""
    limit = gain * power_w / (NOISE_W_PER_HZ * math.log(2.0))
    # A signal-to-noise ratio below 2e-308 is rounded to a multiple of 5e-324.
    rounding = bandwidth_hz * 5e-324 / math.log(2.0)
    assert 0.0 <= rate(bandwidth_hz, power_w, gain) <= limit * (1.0 + 1e-12) + rounding


@LAW
@given(bandwidth_hz=positive(1.0, 1e9), power_w=positive(1e-6, 100.0), gain=positive(1e-20, 1e-3))
def test_m8_more_bandwidth_power_or_gain_is_a_higher_rate(bandwidth_hz, power_w, gain):
    """SNR up, rate up; twice each of them is not more than twice the rate."""
    now = rate(bandwidth_hz, power_w, gain)
    for more in ((2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 2.0)):
        then = rate(bandwidth_hz * more[0], power_w * more[1], gain * more[2])
        assert now < then <= 2.0 * now * (1.0 + 1e-12)


# --- times and energies


def test_time_for_work():
    work, speed = np.array([6.0, 0.0, 0.0, 5.0]), np.array([2.0, 2.0, 0.0, 0.0])
    assert eq.time_for(work, speed).tolist() == [3.0, 0.0, 0.0, math.inf]
    assert eq.time_for(np.array([[1.0], [2.0]]), np.array([1.0, 4.0])).tolist() == [[1.0, 0.25], [2.0, 0.5]]


def test_work_of_the_four_phases():
    """t d phi e_n, phi d w_b, t d (1 - phi) e_m, (1 - phi) d w_b; together all of the adapter."""
    phi, d, t = np.array([0.0, 0.25, 1.0]), 3e6, 5e5
    assert eq.local_work(phi, d, t, 2.0).tolist() == [0.0, 7.5e11, 3e12]
    assert eq.server_work(phi, d, t, 2.0).tolist() == [3e12, 2.25e12, 0.0]
    assert eq.uplink_bits(phi, d, 32.0).tolist() == [0.0, 2.4e7, 9.6e7]
    assert eq.downlink_bits(phi, d, 32.0).tolist() == [9.6e7, 7.2e7, 0.0]
    np.testing.assert_allclose(
        eq.local_work(phi, d, t, 1.0) + eq.server_work(phi, d, t, 1.0), np.full(3, d * t), rtol=1e-15
    )


def test_power_times_time_is_the_energy_of_the_gpus():
    """O5: kappa 1e-27, 1 GHz, 5e8 cycles: 0.5 s, 0.5 J; G GPUs share the work and burn G times the power."""
    assert eq.time_for(np.array(5e8), np.array(1e9)) == 0.5
    assert eq.gpu_energy(1e-27, 1e9, 5e8) == pytest.approx(0.5, rel=1e-15)
    count, kappa, speed, work = 8.0, 5.394e-38, 1.07e13, 7.7e15
    time_s = float(eq.time_for(np.array(work), np.array(count * speed)))
    assert eq.gpu_power(count, kappa, speed) * time_s == pytest.approx(
        eq.gpu_energy(kappa, speed, work), rel=1e-14
    )
    cubed = eq.gpu_energy(kappa, speed, work) * speed
    assert cubed != pytest.approx(eq.gpu_power(count, kappa, speed) * time_s, rel=1e-3)


def test_energy_of_a_transfer():
    energy_j = eq.radio_energy(np.array([0.2, 0.0, 0.2, 0.0, 0.2]), np.array([3.0, 3.0, 0.0, 0.0, math.inf]))
    assert energy_j[:4].tolist() == [pytest.approx(0.6), 0.0, 0.0, 0.0]
    assert energy_j[4] == math.inf


def test_a_transfer_that_never_ends_without_power_is_not_free():
    """0 W for ever is inf * 0: not a number in plain arithmetic, and it must not read as a cheap round."""
    assert eq.radio_energy(np.array([0.0]), np.array([math.inf])).tolist() == [math.inf]


@LAW
@given(b=positive(1e-9, 1.0), q=positive(1e-9, 1.0), g=positive(1e-9, 1.0))
def test_score(b, q, g):
    scale, slope = 1000.0 / math.log(2.0), 1.0 / 3.0
    value = float(eq.score(np.array(b), np.array(q), np.array(g), scale, slope))
    assert value == pytest.approx(scale * math.log1p(slope * (b + q + g)), rel=1e-6)
    assert 0.0 <= value <= 1000.0 * (1.0 + 1e-12)


def test_the_score_runs_from_0_to_1000():
    scale, slope = 1000.0 / math.log(2.0), 1.0 / 3.0
    ends = eq.score(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0]), scale, slope)
    assert ends.tolist() == [0.0, pytest.approx(1000.0, rel=1e-14)]


def test_the_ratio():
    assert eq.service_cost_ratio(100.0, 4.0, 600.0, 0.5, 0.005) == pytest.approx(
        100.0 / (2.0 + 3.0), rel=1e-15
    )
    assert eq.service_cost_ratio(100.0, math.inf, 600.0, 0.5, 0.005) == 0.0
    assert eq.service_cost_ratio(100.0, 4.0, math.inf, 0.5, 0.005) == 0.0
    assert math.isnan(eq.service_cost_ratio(100.0, 4.0, 600.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("delay_s", "energy_j", "weights", "expected"),
    [
        (math.inf, math.inf, (0.5, 0.0), 0.0),
        (math.inf, math.inf, (0.0, 0.005), 0.0),
        (math.inf, 600.0, (0.0, 0.005), 100.0 / 3.0),
    ],
    ids=[
        "energy for free, a transfer never ends",
        "delay for free, the same",
        "delay for free, a GPU stands",
    ],
)
def test_what_has_no_weight_does_not_count_even_without_end(delay_s, energy_j, weights, expected):
    """Mutant: 0 * inf in the cost is NaN, and a NaN for a ratio of 0 hides the worst of all allocations."""
    assert eq.service_cost_ratio(100.0, delay_s, energy_j, *weights) == pytest.approx(expected)
