"""How a statistical test of this folder reaches its verdict.

Means: |z| <= 5 with the known standard deviation, two-sided p = 5.7e-7. Whole laws: the
Kolmogorov-Smirnov distance D <= 2.69 / sqrt(n), p = 1e-6. Samples are independent and seeds are
fixed, so a pass stays a pass; with the 300 or so verdicts of the folder a right simulator would
have failed for an unlucky choice of seeds with a probability below 3e-4. Every measured number goes
into the test report (``pytest --junitxml=FILE``).
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario

MAX_Z = 5.0
KS_FACTOR = 2.69


class Verdicts:
    def __init__(self, properties):
        self._properties = properties

    def mean(self, what, sample, expected, sigma):
        """The mean of independent numbers with the known standard deviation ``sigma``."""
        sample = np.asarray(sample, dtype=np.float64)
        z = (sample.mean() - expected) / (sigma / np.sqrt(sample.size))
        self._record(what, f"mean {sample.mean():.9g}, expected {expected:.9g}, z = {z:+.2f}")
        assert abs(z) <= MAX_Z, f"{what}: mean {sample.mean():.6g}, expected {expected:.6g}, z = {z:.1f}"

    def share(self, what, hits, expected):
        """The share of true values among independent ones: a mean with a binomial sigma."""
        self.mean(what, hits, expected, np.sqrt(expected * (1.0 - expected)))

    def law(self, what, sample, cdf):
        """The distribution of independent numbers."""
        ordered = np.sort(np.asarray(sample).ravel())
        steps = np.arange(ordered.size + 1) / ordered.size
        expected = cdf(ordered)
        distance = max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))
        bound = KS_FACTOR / np.sqrt(ordered.size)
        self._record(what, f"D = {distance:.5f}, bound {bound:.5f}")
        assert distance <= bound, f"{what}: D = {distance:.5f}, bound {bound:.5f}"

    @contextmanager
    def rejects(self, mutant):
        """The block must fail on one of the verdicts above."""
        with pytest.raises(AssertionError, match=r"z = |D = ") as caught:
            yield
        self._record(f"mutant {mutant}", str(caught.value).splitlines()[0])

    def _record(self, what, measured):
        self._properties.append((what, measured))


@pytest.fixture
def verdicts(request):
    return Verdicts(request.node.user_properties)


@pytest.fixture(scope="session")
def base_scenario():
    """A small world with everything on; tests say what they change."""
    return load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
