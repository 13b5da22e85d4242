"""What the decider believes of the channel: the law of its errors, and the `effective` gain.

The errors are Gaussian in dB, one process in time for each link, with autocorrelation
exp(-t / decorrelation). The effective gain is the local mean times exp(E[ln |h|^2]): at high SNR
log2(1 + g |h|^2) is log2 g + log2 |h|^2, so its Shannon rate is then the mean rate of the fading link.
"""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import ergodic_rate
from mecsim.testing.verification.mutant import replaced
from mecsim.world.csi import ErrorField, mean_log_power

LINKS, SIGMA_DB, DECORRELATION_S = 20_000, 4.0, 10.0
EVERY = np.arange(500)
DRAWS = 200_000


@pytest.fixture(scope="module")
def errors():
    """The errors of 20000 links of 500 users."""
    return ErrorField.draw(3, 500, LINKS // 500, SIGMA_DB, DECORRELATION_S)


def check_law(verdicts, error_db):
    verdicts.law("error is N(0, sigma^2)", error_db, lambda x: ndtr(x / SIGMA_DB))
    verdicts.mean("E error", error_db, 0.0, SIGMA_DB)
    verdicts.mean("Var error", error_db**2, SIGMA_DB**2, math.sqrt(2.0) * SIGMA_DB**2)


def check_correlation(verdicts, first_db, second_db, rho, what):
    """For Gaussian values of correlation rho, Var(X Y) = sigma^4 (1 + rho^2)."""
    verdicts.mean(f"rho({what})", first_db * second_db / SIGMA_DB**2, rho, math.sqrt(1.0 + rho**2))


@pytest.mark.parametrize("time_s", [0.0, 17.3, 7200.0])
def test_the_error_has_its_law_at_every_time(verdicts, errors, time_s):
    check_law(verdicts, errors.at(time_s, EVERY).ravel())


@pytest.mark.parametrize("apart_s", [0.5, 5.0, DECORRELATION_S * math.log(2.0), 10.0, 30.0])
def test_the_error_forgets_itself(verdicts, errors, apart_s):
    first, second = errors.at(40.0, EVERY).ravel(), errors.at(40.0 + apart_s, EVERY).ravel()
    check_correlation(verdicts, first, second, math.exp(-apart_s / DECORRELATION_S), f"{apart_s:.3g} s")


def test_links_err_on_their_own(verdicts, errors):
    error_db = errors.at(40.0, EVERY)
    check_correlation(verdicts, error_db[:, ::2].ravel(), error_db[:, 1::2].ravel(), 0.0, "other server")
    check_correlation(verdicts, error_db[::2].ravel(), error_db[1::2].ravel(), 0.0, "other user")


def other_error(bug, make):
    """Return the mutant in which the error field is ``make(original)``."""
    return replaced(bug, ErrorField, "at", make)


@pytest.mark.parametrize(
    "mutant",
    [
        other_error("a new error at every decision", lambda at: lambda f, t, n: at(f, t, np.roll(n, int(t)))),
        other_error("an error for ever", lambda at: lambda f, t, n: at(f, 0.0, n)),
    ],
    ids=lambda mutant: mutant.bug,
)
def test_the_memory_of_the_error_rejects(verdicts, errors, mutant):
    with mutant.in_force():
        now, later = errors.at(40.0, EVERY).ravel(), errors.at(45.0, EVERY).ravel()
    with verdicts.rejects(mutant.bug):
        check_correlation(verdicts, now, later, math.exp(-0.5), "5 s")


def test_the_law_of_the_error_rejects_sigma_for_the_variance(verdicts, errors):
    bug = other_error(
        "sigma for the variance", lambda at: lambda f, *args: at(f, *args) / math.sqrt(f.sigma_db)
    )
    with bug.in_force(), verdicts.rejects(bug.bug):
        check_law(verdicts, errors.at(40.0, EVERY).ravel())


def test_links_reject_one_error_for_all_of_a_user(verdicts, errors):
    def repeated(at):
        def broken(field, time_s, users):
            error_db = at(field, time_s, users)
            return np.broadcast_to(error_db[:, :1], error_db.shape)

        return broken

    bug = other_error("one error for all of a user's links", repeated)
    with bug.in_force():
        error_db = errors.at(40.0, EVERY)
    with verdicts.rejects(bug.bug):
        check_correlation(verdicts, error_db[:, ::2].ravel(), error_db[:, 1::2].ravel(), 0.0, "other server")


@pytest.mark.parametrize("k", [0.0, 0.1, 1.0, 10.0, 1000.0])
def test_the_mean_of_the_logarithm(verdicts, k):
    """E[ln X] for |h|^2 of Rician fading; the law is the noncentral chi-squared of two degrees."""
    rng = np.random.default_rng(2)
    real, imaginary = rng.standard_normal((2, DRAWS)) / math.sqrt(2.0 * (k + 1.0))
    log_power = np.log((real + math.sqrt(k / (k + 1.0))) ** 2 + imaginary**2)
    sigma = float(np.std(log_power))
    verdicts.mean(f"E ln |h|^2, K = {k:g}", log_power, mean_log_power(k), sigma)
    with verdicts.rejects("the logarithm of the mean power"):
        verdicts.mean("ln E |h|^2", log_power, 0.01 if k == 1000 else 0.0, sigma)


def test_the_effective_gain_carries_the_mean_rate_at_high_snr():
    """To 0.2 % at 30 dB; the local mean itself promises 9 % too much there."""
    noise, band, power = 4e-21, 1e6, 0.2
    gain = 1e3 * noise * band / power
    effective = shannon_rate(band, power, gain * math.exp(mean_log_power()), noise)
    mean_rate = ergodic_rate(band, power, gain, noise)
    assert effective == pytest.approx(mean_rate, rel=2e-3)
    assert shannon_rate(band, power, gain, noise) > 1.08 * mean_rate
