"""Rates with efficiency, gap, cap and overhead (S3): kink, mean over fading, derivatives, the smooth law.

Mutants: no cap, an overhead forgotten, a mean without its last term, a slope beyond the kink, up as down.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from mecsim.errors import InstanceError
from mecsim.system.capped import Capped, SmoothCapped
from mecsim.system.ergodic_capped import ErgodicCapped, capped_efficiency
from mecsim.system.rate_spec import RATES, RateSpec, SpectralEfficiency
from mecsim.system.rates import Ergodic, RateLaw, Shannon

NOISE = 4e-21
SNR_DB = np.linspace(-40.0, 70.0, 56)  # the kinks lie between the points
BAND = np.full(SNR_DB.size, 2e6)
POWER = np.full(SNR_DB.size, 0.2)
GAIN = 10.0 ** (SNR_DB / 10.0) * NOISE * BAND / POWER
SPECS = {
    "nr-256qam up": RATES["nr-256qam"].up,
    "lte-36942 down": RATES["lte-36942"].down,
    "gap": SpectralEfficiency(efficiency=0.8, gap=4.0, overhead=0.25),
    "all": SpectralEfficiency(efficiency=0.5, gap=2.0, cap_bps_hz=3.0, overhead=0.1),
    "the lowest cap": SpectralEfficiency(cap_bps_hz=0.1),
}
LAWS = {
    f"{name}, {kind}": law
    for name, spec in SPECS.items()
    for kind, law in {
        "no fading": Capped.of(NOISE, spec),
        "ergodic": ErgodicCapped.of(NOISE, spec),
        "smooth": Capped.of(NOISE, spec).smoothed(0.05),
    }.items()
}


def by_hand(spec, snr):
    nats = spec.efficiency * np.log1p(snr / spec.gap) * np.log2(np.e)
    return (1.0 - spec.overhead) * np.minimum(nats, spec.cap_bps_hz)


def slope(function, at):
    wide, narrow = ((function(at * (1 + h)) - function(at * (1 - h))) / (2 * h * at) for h in (2e-3, 1e-3))
    return (4.0 * narrow - wide) / 3.0


@pytest.mark.parametrize("name", SPECS)
def test_below_and_above_the_kink(name):
    spec, law = SPECS[name], Capped.of(NOISE, SPECS[name])
    rates = law.rate(BAND, POWER, GAIN)
    assert rates == pytest.approx(BAND * by_hand(spec, 10.0 ** (SNR_DB / 10.0)), rel=1e-12)
    nats = law.nat_rate(BAND, POWER, GAIN / NOISE)
    assert nats * np.log2(np.e) == pytest.approx(rates, rel=1e-12)
    assert law.rate(BAND, POWER, GAIN) != pytest.approx(Shannon(NOISE).rate(BAND, POWER, GAIN), rel=1e-2)


@pytest.mark.parametrize("name", ["nr-256qam up", "lte-36942 down", "all", "the lowest cap"])
def test_the_rate_above_the_kink_is_constant_to_the_bit(name):
    law = Capped.of(NOISE, SPECS[name])
    kink = law.kink_snr
    assert kink == pytest.approx(
        SPECS[name].gap * (2 ** (SPECS[name].cap_bps_hz / SPECS[name].efficiency) - 1)
    )
    above = law.rate(1e6, kink * np.array([1.0 + 1e-9, 2.0, 1e3, 1e12]), NOISE * 1e6)
    assert len(set(above.tolist())) == 1
    below = law.rate(1e6, kink * (1.0 - 1e-6), NOISE * 1e6)
    assert 0.0 < above[0] - below < 1e-5 * above[0]
    d = law.nat_derivatives(np.array([1.0, 1.0]), kink * np.array([0.9, 1.1]), np.array([1.0, 1.0]))
    assert d.by_power[0] > 0.0
    assert d.by_power[1] == d.curvature[1] == 0.0


def test_the_named_laws_have_the_numbers_of_the_standards():
    nr, lte = RATES["nr-256qam"], RATES["lte-36942"]
    assert nr.up.cap_bps_hz == nr.down.cap_bps_hz == 7.40625
    assert (nr.up.overhead, nr.down.overhead) == (0.08, 0.14)
    assert (lte.up.efficiency, lte.down.efficiency, lte.up.cap_bps_hz, lte.down.cap_bps_hz) == (
        0.4,
        0.6,
        2,
        4.4,
    )


def test_shannons_law_is_today_s_object():
    for spec in (RATES["shannon"], RateSpec(), RateSpec(up=SpectralEfficiency(1.0, 1.0, np.inf, 0.0))):
        assert type(RateLaw.of(NOISE, spec).up) is type(RateLaw.of(NOISE, spec).down) is Shannon
        assert type(RateLaw.of(NOISE, spec, ergodic=True).up) is Ergodic
        assert RateLaw.of(NOISE, spec) == RateLaw.of(NOISE)
    assert RateLaw.of(NOISE, RATES["nr-256qam"]) != RateLaw.of(NOISE)


def mean_by_quadrature(spec, snr):
    """The mean over Rayleigh fading, in two pieces: up to the kink, and beyond."""
    kink = spec.gap * (2.0 ** (spec.cap_bps_hz / spec.efficiency) - 1.0) / snr
    edges = [0.0, *(point for point in (1e-6, 1e-3, 0.1, 1.0, 10.0, 60.0) if point < kink), min(kink, 200.0)]
    inside = sum(
        quad(lambda x: by_hand(spec, snr * x) * np.exp(-x), a, b, epsabs=0.0, epsrel=1e-12)[0]
        for a, b in pairwise(edges)
    )
    return inside + (by_hand(spec, np.inf) * np.exp(-kink) if np.isfinite(kink) else 0.0)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("snr_db", [-40.0, -16.0, -5.0, 10.0, 30.0, 70.0])
def test_the_mean_over_fading_is_that_of_quadrature(name, snr_db):
    law, spec, snr = ErgodicCapped.of(NOISE, SPECS[name]), SPECS[name], 10.0 ** (snr_db / 10.0)
    expected = mean_by_quadrature(spec, snr)
    assert law.rate(1e6, 1.0, snr * NOISE * 1e6) / 1e6 == pytest.approx(expected, rel=1e-9)
    nats = law.nat_rate(np.array([1e6]), np.array([1.0]), np.array([snr * 1e6]))
    assert nats[0] * np.log2(np.e) / 1e6 == pytest.approx(expected, rel=1e-9)
    if name == "nr-256qam up" and snr_db >= 30.0:
        open_ended = ErgodicCapped.of(NOISE, replace(spec, cap_bps_hz=np.inf))
        assert open_ended.rate(1e6, 1.0, snr * NOISE * 1e6) / 1e6 != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("top", [0.072, 0.5, 3.0, 168.0, 1e30])
@pytest.mark.parametrize("x", [1e-9, 1e-3, 0.3, 4.0, 49.9, 50.0, 300.0, 1e5])
def test_derivatives_of_the_mean_are_integrals_of_positive_terms(x, top):
    """Both sides of where quadrature takes over; ends of the integrals, by the same rule on finer pieces."""
    edges = np.concatenate([[0.0], np.geomspace(1e-12, min(top, 60.0 / x), 200)])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)
    u = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    measure = half[:, None] * weights * np.exp(-x * u)
    end = np.exp(-x * top) if x * top < 700 else 0.0
    found = capped_efficiency(np.array([x]), top)
    assert found.value[0] == pytest.approx((measure / (1 + u)).sum(), rel=1e-9)
    assert found.slope[0] == pytest.approx(x**2 * (measure * u / (1 + u)).sum(), rel=1e-8)
    intercept = (measure * u / (1 + u) ** 2).sum() + (end * top / (1 + top) if end else 0.0)
    assert found.intercept[0] == pytest.approx(intercept, rel=1e-8)
    curvature = (measure * u**2 / (1 + u) ** 2).sum() + (end * top**2 / (1 + top) if end else 0.0)
    assert found.curvature[0] == pytest.approx(x**3 * curvature, rel=1e-8)


def errors(law, found):
    """The largest differences of gradient and Hessian, measured by what Shannon's law has there."""
    density, unit = GAIN / NOISE, Shannon(NOISE).nat_derivatives(BAND, POWER, GAIN / NOISE)
    by_band = slope(lambda b: law.nat_rate(b, POWER, density), BAND)
    by_power = slope(lambda p: law.nat_rate(BAND, p, density), POWER)
    gradient = max(
        np.abs((found.by_bandwidth - by_band) * BAND / unit.rate).max(),
        np.abs((found.by_power - by_power) * POWER / unit.rate).max(),
    )
    numeric = (
        slope(lambda b: law.nat_derivatives(b, POWER, density).by_bandwidth, BAND) * BAND**2,
        slope(lambda p: law.nat_derivatives(BAND, p, density).by_bandwidth, POWER) * BAND * POWER,
        slope(lambda p: law.nat_derivatives(BAND, p, density).by_power, POWER) * POWER**2,
    )
    units = (BAND**2, BAND * POWER, POWER**2)
    hessian = max(
        np.abs((own * scale - other) / unit.rate).max()
        for own, other, scale in zip(found.hessian, numeric, units, strict=True)
    )
    return gradient, hessian


@pytest.mark.parametrize("name", LAWS)
def test_derivatives_are_those_of_the_rate(name):
    law = LAWS[name]
    found = law.nat_derivatives(BAND, POWER, GAIN / NOISE)
    assert found.rate == pytest.approx(law.nat_rate(BAND, POWER, GAIN / NOISE), rel=1e-12)
    gradient, hessian = errors(law, found)
    assert gradient <= 1e-6
    assert hessian <= 1e-6
    assert (found.curvature >= 0.0).all()
    assert (found.by_bandwidth >= 0.0).all()
    if "gap" not in name:
        assert errors(law, Shannon(NOISE).nat_derivatives(BAND, POWER, GAIN / NOISE))[0] > 1e-3
    broken = found._replace(curvature=1.01 * found.curvature + 1e-3 * found.rate / POWER**2)
    assert errors(law, broken)[1] > 1e-4


@pytest.mark.parametrize("width", [0.1, 1e-3, 1e-6, 1e-9])
def test_the_smooth_law_is_below_the_true_one_and_goes_to_it(width):
    law = Capped.of(NOISE, SPECS["all"])
    smooth, density = law.smoothed(width), GAIN / NOISE
    true, found = law.nat_rate(BAND, POWER, density), smooth.nat_rate(BAND, POWER, density)
    assert (found < true * (1.0 + 1e-15)).all()
    assert (true - found <= width * true * (1.0 + 1e-6) + 1e-15 * true).all()
    assert (np.diff(found) >= -1e-15 * found[1:]).all()
    at_kink = smooth.nat_rate(np.array([1.0]), np.array([law.kink_snr]), np.array([1.0]))
    cap = law.share * law.cap_nat
    assert cap - at_kink[0] == pytest.approx(width * cap, rel=max(1e-6, 1e-15 / width))
    wider = law.smoothed(2.0 * width).nat_rate(BAND, POWER, density)
    assert (wider <= found * (1.0 + 1e-15)).all()
    d = smooth.nat_derivatives(BAND, POWER, density)
    # Beyond the kink the slope is small but still a number with all its digits.
    assert (d.by_power > 0.0).all()
    assert (d.curvature > 0.0).all()


def test_who_has_no_kink_is_smooth_already():
    for law in (Shannon(NOISE), Ergodic(NOISE), Capped.of(NOISE, SPECS["gap"]), LAWS["all, ergodic"]):
        assert law.smoothed(0.1) is law
    for spec in (RateSpec(), RateSpec(up=SPECS["gap"], down=SPECS["gap"])):
        law = RateLaw.of(NOISE, spec)
        assert law.smoothed(0.1) is law
    assert isinstance(RateLaw.of(NOISE, RATES["nr-256qam"]).smoothed(0.1).up, SmoothCapped)


@pytest.mark.parametrize("ergodic", [False, True])
@pytest.mark.parametrize("width", [None, 0.01])
def test_both_ways_at_once_are_each_way_alone(ergodic, width):
    for up, down in (("nr-256qam up", "lte-36942 down"), ("gap", "all")):
        law = RateLaw.of(NOISE, RateSpec(SPECS[up], SPECS[down]), ergodic=ergodic)
        law = law if width is None else law.smoothed(width)
        power, density = np.stack([POWER, 2.0 * POWER]), np.stack([GAIN, 3.0 * GAIN]) / NOISE
        rates, derivatives = law.nat_rates(BAND, power, density), law.nat_derivatives(BAND, power, density)
        for row, one in enumerate((law.up, law.down)):
            assert rates[row] == pytest.approx(one.nat_rate(BAND, power[row], density[row]), rel=1e-5)
            alone = one.nat_derivatives(BAND, power[row], density[row])
            for found, expected in zip(derivatives, alone, strict=True):
                assert found[row] == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).max())
        assert not np.allclose(rates[0], rates[1], rtol=1e-3)


def test_rows_of_links_have_the_law_of_their_direction():
    law = RateLaw.of(NOISE, RATES["nr-256qam"])
    gain = np.stack([GAIN, GAIN, GAIN])
    for downlink in ([True, False, True], [True] * 3, [False] * 3):
        rows = law.rows(BAND[:3], POWER[:3], gain, downlink)
        for row, is_down in zip(rows, downlink, strict=True):
            assert np.array_equal(row, law.rate(2e6, 0.2, GAIN, "down" if is_down else "up"))


def test_nothing_granted_or_heard_is_no_rate():
    for law in (Capped.of(NOISE, SPECS["all"]), ErgodicCapped.of(NOISE, SPECS["all"])):
        for link in ((0.0, 0.2, 1e-10), (1e6, 0.0, 1e-10), (1e6, 0.2, 0.0), (0.0, 0.0, 0.0)):
            assert law.rate(*link) == 0.0
        mixed = law.rate(np.array([0.0, 1e6]), 0.2, np.array([[1e-10], [0.0]]))
        assert mixed.shape == (2, 2)
        assert np.count_nonzero(mixed) == 1


@pytest.mark.parametrize("cap", [0.1, 7.4, 40.0, np.inf])
@pytest.mark.parametrize("efficiency", [0.05, 1.0])
def test_no_form_overflows_between_the_bounds(cap, efficiency):
    spec = SpectralEfficiency(efficiency, 1e4, cap, 0.9)
    snr = np.geomspace(1e-100, 1e100, 41)
    one = np.ones_like(snr)
    for law in (Capped.of(1.0, spec), ErgodicCapped.of(1.0, spec), Capped.of(1.0, spec).smoothed(1e-8)):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            rates = (
                law.rate(one, snr, one) if not isinstance(law, SmoothCapped) else law.nat_rate(one, snr, one)
            )
            found = law.nat_derivatives(one, one, snr)
        assert np.isfinite(rates).all()
        assert (np.diff(rates) >= -1e-12 * rates[1:]).all()
        assert all(np.isfinite(part).all() for part in found)


def test_numbers_out_of_bounds_are_all_refused_at_once():
    with pytest.raises(InstanceError) as caught:
        SpectralEfficiency(efficiency=1.5, gap=0.5, cap_bps_hz=0.0, overhead=np.nan)
    assert [problem.split(" = ")[0] for problem in caught.value.problems] == [
        "efficiency",
        "gap",
        "cap_bps_hz",
        "overhead",
    ]
