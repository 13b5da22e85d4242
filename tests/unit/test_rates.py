"""The rate law and its derivatives, and that nobody else computes a rate.

Mutants: Shannon's derivatives of an ergodic rate, a Hessian of the wrong sign, elementary forms where they
cancel.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from mecsim import load_scenario
from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import efficiency, ergodic_rate
from mecsim.system.rates import Ergodic, RateLaw, Shannon
from mecsim.world.world import World

ROOT = Path(__file__).resolve().parents[2]
NOISE = 4e-21
SNR_DB = np.linspace(-60.0, 80.0, 57)
BAND = np.full(57, 2e6)
POWER = np.full(57, 0.2)
GAIN = 10.0 ** (SNR_DB / 10.0) * NOISE * BAND / POWER
LAWS = [RateLaw.of(NOISE), RateLaw.of(NOISE, ergodic=True)]


def slope(function, at):
    """Central differences, once extrapolated."""
    wide, narrow = ((function(at * (1 + h)) - function(at * (1 - h))) / (2 * h * at) for h in (2e-3, 1e-3))
    return (4.0 * narrow - wide) / 3.0


def errors(law, derivatives):
    """The largest differences of gradient and Hessian, each measured by Shannon's of the same link."""
    found, size = derivatives(BAND, POWER, GAIN), LAWS[0].derivatives(BAND, POWER, GAIN)
    by_band = slope(lambda b: law.rate(b, POWER, GAIN), BAND)
    by_power = slope(lambda p: law.rate(BAND, p, GAIN), POWER)
    # Differences of the rate itself lose digits where r_b is small against r / b.
    gradient = max(
        np.abs((found.by_bandwidth - by_band) * BAND / found.rate).max(),
        np.abs((found.by_power - by_power) / size.by_power).max(),
    )
    numeric = (
        slope(lambda b: derivatives(b, POWER, GAIN).by_bandwidth, BAND),
        slope(lambda p: derivatives(BAND, p, GAIN).by_bandwidth, POWER),
        slope(lambda p: derivatives(BAND, p, GAIN).by_power, POWER),
    )
    hessian = max(
        np.abs((own - other) / unit).max()
        for own, other, unit in zip(found.hessian, numeric, size.hessian, strict=True)
    )
    return gradient, hessian


@pytest.mark.parametrize("law", LAWS, ids=["shannon", "ergodic"])
def test_derivatives_are_those_of_the_rate(law):
    gradient, hessian = errors(law, law.derivatives)
    assert gradient <= 1e-6
    assert hessian <= 1e-6
    assert law.derivatives(BAND, POWER, GAIN).rate == pytest.approx(law.rate(BAND, POWER, GAIN), rel=1e-12)


def test_rejects_shannons_derivatives_of_an_ergodic_rate_and_a_hessian_of_the_wrong_sign():
    shannon, ergodic = LAWS
    assert errors(ergodic, shannon.derivatives)[0] > 1e-2

    def convex(*link):
        found = ergodic.derivatives(*link)
        return found._replace(curvature=-found.curvature)

    assert errors(ergodic, convex)[1] > 1.0


@pytest.mark.parametrize("x", [1e-3, 0.3, 4.0, 30.0, 49.9, 50.0, 51.0, 300.0, 1e5])
def test_ergodic_derivatives_are_means_over_the_fading(x):
    """Both sides of where quadrature takes over, and far beyond, where the elementary forms cancel."""

    def mean(function):
        pieces = [
            (a, b) for a, b in zip((0.0, 1e-3, 0.1, 1.0, 10.0), (1e-3, 0.1, 1.0, 10.0, 60.0), strict=True)
        ]
        return sum(
            quad(lambda t: function(t) * np.exp(-t), a, b, epsabs=0.0, epsrel=1e-11)[0] for a, b in pieces
        )

    found = efficiency(np.array([x]))
    assert found.value[0] == pytest.approx(mean(lambda t: np.log1p(t / x)), rel=1e-8)
    assert found.slope[0] == pytest.approx(mean(lambda t: t / (1 + t / x)), rel=1e-8)
    assert found.curvature[0] == pytest.approx(mean(lambda t: (t / (1 + t / x)) ** 2), rel=1e-8)
    assert found.intercept[0] == pytest.approx(mean(lambda t: t / (x + t) ** 2), rel=1e-8)


def test_rejects_the_elementary_forms_at_a_small_snr():
    x = 1e5
    cancelled = x * x * (1.0 + x - x * (2.0 + x) * efficiency(np.array([x])).value)
    assert cancelled[0] != pytest.approx(efficiency(np.array([x])).curvature[0], rel=1e-4)


def test_rates_are_the_closed_forms_to_the_last_bit():
    assert np.array_equal(LAWS[0].rate(BAND, POWER, GAIN), shannon_rate(BAND, POWER, GAIN, NOISE))
    assert np.array_equal(LAWS[1].rate(BAND, POWER, GAIN, "down"), ergodic_rate(BAND, POWER, GAIN, NOISE))


def test_each_direction_has_its_own_law():
    law = RateLaw(up=Shannon(NOISE), down=Ergodic(NOISE))
    both, links = np.stack([POWER, POWER]), np.stack([GAIN, GAIN]) / NOISE
    rates, derivatives = law.nat_rates(BAND, both, links), law.nat_derivatives(BAND, both, links)
    for row, direction, single in ((0, "up", LAWS[0]), (1, "down", LAWS[1])):
        assert np.array_equal(law.rate(BAND, POWER, GAIN, direction), single.rate(BAND, POWER, GAIN))
        assert rates[row] * np.log2(np.e) == pytest.approx(single.rate(BAND, POWER, GAIN), rel=1e-12)
        expected = single.derivatives(BAND, POWER, GAIN).by_power
        assert derivatives.by_power[row] / NOISE / np.log(2.0) == pytest.approx(expected / NOISE, rel=1e-12)
    assert not np.allclose(rates[0], rates[1], rtol=1e-3)


@pytest.mark.parametrize(
    ("model", "law"), [("none", "Shannon"), ("rayleigh", "Shannon"), ("ergodic", "Ergodic")]
)
def test_a_world_and_its_snapshots_have_one_law(model, law):
    scenario = load_scenario("paper").with_changes({"channel.fading.model": model})
    world = World(scenario, 0)
    assert type(world.rate_law.up).__name__ == law
    assert world.instance(0.0).rate_law == world.rate_law
    assert hash(world.rate_law) == hash(world.instance(0.0).rate_law)


FORMS = re.compile(
    r"\bshannon_rate\b|\bergodic_rate\b|scaled_integral|snr[^\n]*log1p|log1p\([^\n]*snr|log2\(1"
)
HOME = {f"system/{name}.py" for name in ("rates", "equations", "ergodic", "capped", "ergodic_capped")}


def computes_rates(text):
    code = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    return FORMS.search(code) is not None


def test_nobody_else_computes_a_rate():
    """The kit in testing/ is another matter: it checks these forms against its own."""
    found = {
        path.relative_to(ROOT / "mecsim").as_posix()
        for path in (ROOT / "mecsim").rglob("*.py")
        if computes_rates(path.read_text()) and path.parts[len(ROOT.parts) + 1] != "testing"
    }
    assert found == HOME
    own = ROOT / "policies" / "mecsim_policies"
    others = {
        path.relative_to(own).as_posix() for path in own.rglob("*.py") if computes_rates(path.read_text())
    }
    # The reference's conic problem knows Shannon's form alone, and puts it in the place of other laws.
    # The closed forms of the bound are in z = ln(1 + SNR).
    assert others == {"dashf_reference/rates.py", "bound/links.py", "bound/power_ranges.py"}
    assert computes_rates("rho = band * np.log1p(self.snr * power / band)")
