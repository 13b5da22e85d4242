"""`mecsim verify`: its checks reject their mutants, and its verdicts have the stated level.

`mecsim verify --mutants` runs all checks, in CI too; these tests run a few fast ones of each group.
"""

import json
import math

import matplotlib.image
import numpy as np
import pytest

from mecsim.cli import main
from mecsim.errors import MecsimError
from mecsim.testing.verification import suite
from mecsim.testing.verification.figures import quantile_figure
from mecsim.testing.verification.finding import (
    CHANCE_OF_KS,
    Check,
    Finding,
    Law,
    Setting,
    equal,
    follows,
    mean,
    no_difference,
    share,
)
from mecsim.testing.verification.in_processes import verify_in_processes
from mecsim.testing.verification.mutant import replaced, reused
from mecsim.testing.verification.reference_queues import sigma_of_refusals, stationary_law

QUICK = ("C8", "C9", "C10", "C11", "C5 closed", "O1", "law g", "K", "S1 idle", "S2 shared", "D3")


@pytest.mark.parametrize("check", suite.chosen(QUICK), ids=lambda check: check.name)
def test_a_check_passes_and_rejects_its_bug(check):
    right, wrong = check.judge(Setting()), check.judge_mutant(Setting())
    assert right.passed, right
    assert not wrong.passed, wrong


def test_a_mutant_is_gone_after_its_check_and_shares_no_sample_with_the_product():
    sample = reused(lambda: Product.value)
    check = Check("sample", "a number", lambda setting: equal(sample(), 1.0), BUG)
    assert check.judge(Setting()).passed
    assert not check.judge_mutant(Setting()).passed
    assert check.judge(Setting()).passed
    assert Product.value == 1.0


def test_every_check_has_a_name_a_bug_and_a_group():
    names = [check.name for check in suite.CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.says and check.mutant and check.group for check in suite.CHECKS)
    assert {"channel", "mobility", "queues", "optimisers", "engine", "determinism"} == {
        check.group for check in suite.CHECKS
    }


def test_the_level_of_the_suite_is_the_sum_of_those_of_its_rows():
    rows = [
        suite.Row(check, Finding(0, 0, 0, 0, chance), None, 0.0)
        for check, chance in zip(suite.CHECKS, (5.7e-7, 1e-6, 0.0), strict=False)
    ]
    assert suite.level(rows) == pytest.approx(1.57e-6)
    assert math.erfc(5 / math.sqrt(2)) == pytest.approx(5.7e-7, rel=0.01)
    assert pytest.approx(1e-6, rel=0.05) == CHANCE_OF_KS


@pytest.mark.parametrize("off", [-5.1, -4.9, 0.0, 4.9, 5.1])
def test_means_are_judged_at_five_sigma(off):
    """Mutant: the deviation of one value for that of the mean (a tenth of the distance would pass)."""
    sample = np.full(400, 3.0 + off * 2.0 / 20.0)
    assert mean(sample, 3.0, 2.0).passed == (abs(off) < 5)


def test_shares_laws_and_arrays_are_judged():
    uniform = Law(lambda x: np.clip(x, 0, 1), lambda p: p)
    values = (np.arange(1000) + 0.5) / 1000
    assert follows(values, uniform).passed
    assert not follows(values**1.4, uniform).passed
    assert share(np.arange(1000) < 300, 0.3).passed
    assert not share(np.arange(1000) < 400, 0.3).passed
    assert no_difference([1.0, 2.0], [1.0, 2.0 + 1e-12], tol=1e-9).passed
    for wrong in ([1.0, 2.1], [1.0], [1.0, math.nan], []):
        assert not no_difference(wrong, [1.0, 2.0], tol=1e-9).passed
    assert not no_difference([], [], tol=1e-9).passed, "nothing compared is no pass"
    assert not equal(math.nan, 1.0, tol=9.0).passed


def test_erlangs_numbers():
    assert stationary_law(3.0, np.arange(1.0, 6.0))[-1] == pytest.approx(0.110054, abs=1e-6)
    assert stationary_law(0.8, np.ones(5))[-1] == pytest.approx(0.088819, abs=1e-6)
    rng = np.random.default_rng(0)
    # One place: refusals are a two-state chain whose deviation a simulation knows well enough.
    means = []
    for _ in range(300):
        free_s, now_s, refused = 0.0, 0.0, []
        for gap_s, stay_s in zip(rng.exponential(1, 400), rng.exponential(1, 400), strict=True):
            now_s += gap_s
            refused.append(now_s < free_s)
            free_s = free_s if refused[-1] else now_s + stay_s
        means.append(np.mean(refused))
    assert np.std(means) * 20 == pytest.approx(sigma_of_refusals(1.0, np.ones(1)), rel=0.15)


class Product:
    value = 1.0


def raises(setting):
    raise ValueError("broken here")


FAKE = {
    "fine": lambda setting: equal(Product.value, 1.0),
    "fails": lambda setting: equal(2.0, 1.0),
    "blind": lambda setting: equal(1.0, 1.0),
    "raises": raises,
    "raises with the bug": lambda setting: equal(1.0 / (2.0 - Product.value), 1.0),
}
BUG = replaced("a bug", Product, "value", lambda value: 2.0 * value)


@pytest.fixture
def only(monkeypatch):
    """Return a function that leaves only some made-up checks."""

    def leave(*names):
        checks = tuple(Check(name, "a number", FAKE[name], BUG, "engine") for name in names)
        monkeypatch.setattr(suite, "CHECKS", checks)

    return leave


@pytest.mark.parametrize(
    ("name", "mutants", "code", "said"),
    [
        ("fine", True, 0, "1 of 1 checks passed"),
        ("fails", False, 1, "fails: got 2, must be 1 to 1 (a number)"),
        ("blind", False, 0, "1 of 1 checks passed"),
        ("blind", True, 1, "blind: the bug was not rejected: a bug"),
        ("raises", False, 1, "raises: ValueError: broken here"),
        ("raises with the bug", False, 0, "1 of 1 checks passed"),
        ("raises with the bug", True, 1, "the bug was not rejected: a bug (ZeroDivisionError: "),
        ("raises with the bug", True, 1, "1 of 1 checks passed in 0 s; 0 of 1 bugs were rejected"),
    ],
)
def test_exit_code_and_message(only, tmp_path, capsys, name, mutants, code, said):
    only(name)
    arguments = ["verify", "--out", str(tmp_path), "--quiet", *(["--mutants"] if mutants else [])]
    assert main(arguments) == code
    streams = capsys.readouterr()
    assert said in streams.out + streams.err


def test_json_is_one_object_whose_checks_are_the_rows(only, tmp_path, capsys):
    only("fine", "raises")
    assert main(["verify", "--out", str(tmp_path), "--json", "--mutants"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["passed"]
    fine, broken = told["checks"]
    assert (fine["expected"], fine["got"], fine["interval"], fine["verdict"]) == (1, 1, [1, 1], "pass")
    assert (fine["mutant"], fine["mutant_got"], fine["mutant_verdict"]) == ("a bug", 2, "rejected")
    assert (broken["verdict"], broken["got"], broken["error"]) == ("FAIL", None, "ValueError: broken here")
    assert json.loads((tmp_path / "verification.json").read_text())["checks"] == told["checks"]


def test_several_processes_give_the_rows_of_one():
    """Mutant: rows in the order in which the processes end."""
    checks = suite.chosen(["C9 U", "R3 leg", "O5", "C11 noise"])
    alone = suite.verify(checks, mutants=True)
    told = []
    rows = verify_in_processes(
        checks, Setting(), 2, mutants=True, on_progress=lambda done, name: told.append((done, name))
    )
    for row, other in zip(rows, alone, strict=True):
        assert row.check is other.check
        assert (row.finding.got, row.mutant.got, row.rejected) == (
            other.finding.got,
            other.mutant.got,
            True,
        )
        assert (row.finding.law is None) == (other.finding.law is None)
    assert [done for done, _ in told] == list(range(1, len(checks) + 1))
    assert sorted(name for _, name in told) == sorted(check.name for check in checks)


def test_the_part_of_the_sample_for_a_bug_is_at_least_one():
    assert Setting(size=0.25).count(5000) == 1250
    assert Setting(size=0.01).count(4) == 1
    assert all(0 < check.bug_size <= 1 for check in suite.CHECKS)


def test_the_figures_of_laws_are_drawn(tmp_path):
    assert main(["verify", "--only", "R1 law", "--out", str(tmp_path), "--quiet"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "quantiles.pdf",
        "quantiles.png",
        "verification.json",
    ]
    (shown,) = json.loads((tmp_path / "verification.json").read_text())["checks"]
    assert shown["check"] == "R1 law"
    pixels = matplotlib.image.imread(tmp_path / "quantiles.png")
    assert min(pixels.shape[:2]) > 100
    assert np.ptp(pixels) > 0.5


def test_a_quantile_plot_shows_the_sample_over_the_exact_quantiles():
    law = Law(lambda x: np.clip(x, 0, 1), lambda p: p)
    check = Check("law", "uniform", lambda setting: follows((np.arange(100) + 0.5) / 100, law), BUG)
    row = suite.Row(check, check.judge(Setting()), follows(np.linspace(0, 0.5, 100), law), 0.0)
    mutant, sample = quantile_figure([row]).axes[0].lines[:2]
    np.testing.assert_allclose(*sample.get_data())
    assert not np.allclose(*mutant.get_data(), atol=0.2)


def test_a_group_or_the_beginning_of_names_is_chosen():
    assert {check.group for check in suite.chosen(["mobility"])} == {"mobility"}
    assert [check.name for check in suite.chosen(["c11"])] == [
        "C11 noise",
        "C11 SNR",
        "C11 rate",
        "C11 energy",
    ]
    with pytest.raises(MecsimError, match=r"--only mobilty: no such check; did you mean 'mobility'"):
        suite.chosen(["mobilty"])
