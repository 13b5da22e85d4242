"""Claims as people write them, looks, and a comparison that goes on until they are decided."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mecsim import compare
from mecsim.analysis.sequential import Claim, judge, judge_together, look_level, look_sizes, parse_claim
from mecsim.analysis.stats import paired_difference
from mecsim.cli import main
from mecsim.errors import MecsimError
from mecsim.scenario.load import load_scenario
from mecsim.study.until import compare_until

LABELS = ("dashf", "dashf_reference", "gucaa:local_fraction=0.3")


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("scr:dashf-dashf_reference ±2%", Claim("scr", "dashf", "dashf_reference", 0.02, relative=True)),
        (
            "delay_p99_s:dashf-dashf_reference ±2%",
            Claim("delay_p99_s", "dashf", "dashf_reference", 0.02, relative=True),
        ),
        ("scr:dashf_reference-dashf +-2%", Claim("scr", "dashf_reference", "dashf", 0.02, relative=True)),
        (
            " delay_s : dashf - gucaa:local_fraction=0.3 +/- 0.5",
            Claim("delay_s", "dashf", "gucaa:local_fraction=0.3", 0.5, relative=False),
        ),
    ],
)
def test_claims_are_read(text: str, claim: Claim) -> None:
    """Labels may hold hyphens. Mutant: a split at the first hyphen."""
    assert parse_claim(text, LABELS) == claim
    assert parse_claim(str(claim), LABELS) == claim


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scr", "--until scr: must read METRIC:POLICY-REFERENCE"),
        ("sc:dashf-dashf_reference ±2%", "metric = sc: must be .*did you mean 'scr'"),
        ("scr:dashf-gucaa ±2%", "dashf-gucaa: must be two different policies"),
        ("scr:dashf-dashf ±2%", "must be two different policies"),
        ("scr:dashf-dashf_reference ±0%", "margin = 0%: must be above 0"),
        ("scr:dashf-dashf_reference ±200%", "and below 100%"),
        ("scr:dashf-dashf_reference ±1e", "margin = 1e"),
    ],
)
def test_wrong_claims_are_told(text: str, message: str) -> None:
    with pytest.raises(MecsimError, match=message):
        parse_claim(text, LABELS)


def test_all_wrong_claims_are_told_before_any_run() -> None:
    with pytest.raises(MecsimError) as caught:
        compare_until("smoke", ["gucaa", "nearest"], ["scr:a-b ±2%", "x:gucaa-nearest ±2%"])
    assert str(caught.value).count("--until") == 2
    for first, most in ((1, 5), (5, 4)):
        with pytest.raises(MecsimError, match="must be at least 2"):
            compare_until("smoke", ["gucaa", "nearest"], ["scr:gucaa-nearest ±2%"], first, most)


def test_looks_grow_by_half_and_share_the_error() -> None:
    assert look_sizes(10, 200) == [10, 15, 22, 33, 50, 75, 112, 168, 200]
    assert look_sizes(2, 4) == [2, 3, 4]
    assert look_sizes(10, 10) == [10]
    assert look_level(10, 2) == pytest.approx(0.9975)


def test_better_depends_on_the_metric() -> None:
    """A smaller delay is better. Mutant: larger is better always."""
    pairs = [8.0, 8.1, 7.9, 8.05], [10.0, 10.1, 10.0, 9.9]
    for metric, answer in (("delay_s", "better"), ("scr", "worse")):
        assert judge(Claim(metric, "a", "b", 0.02, relative=True), *pairs, 0.95).answer == answer
    assert judge(Claim("scr", "a", "b", 0.5, relative=True), *pairs, 0.95).answer == "equivalent"
    assert judge(Claim("scr", "a", "b", 1.9, relative=False), *pairs, 0.95).answer == "worse"


def test_a_comparison_goes_on_until_it_is_decided() -> None:
    """The runs are those of one comparison of as many replications. Mutant: seeds that begin anew."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 12, "warmup_s": 2})
    found = compare_until(scenario, ["gucaa", "edge_only"], ["scr:edge_only-gucaa ±40%"], 2, 6, seed=3)
    n = len(found.comparison.seeds)
    assert found.comparison.seeds == tuple(range(3, 3 + n))
    assert found.looks == look_sizes(2, 6).index(n) + 1
    (verdict,) = found.verdicts
    assert verdict.pairs == n
    whole = compare(scenario, ["gucaa", "edge_only"], n, seed=3).per_run.drop(columns="decision_cpu_s")
    pd.testing.assert_frame_equal(found.comparison.per_run.drop(columns="decision_cpu_s"), whole)
    assert len(found.lines) == 2


class Never:
    """Raises at once."""

    def allocate(self, observation):
        raise ValueError("never")


@pytest.mark.filterwarnings("ignore:.*runs failed")
def test_a_policy_that_always_fails_is_not_tried_for_ever() -> None:
    """Mutant: two hundred replications of nothing."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 4, "warmup_s": 0})
    found = compare_until(scenario, ["gucaa", Never()], ["scr:Never-gucaa ±2%"], 2, 200)
    assert len(found.comparison.seeds) == 2
    assert found.verdicts[0].pairs == 0
    assert "1 undecided;" in found.lines[-1]


def test_the_command_says_how_it_ended(capsys, tmp_path) -> None:
    command = ["compare", "smoke", "-p", "gucaa,edge_only", "-r", "2", "--most", "2", "-j", "1", "--json"]
    changes = ["--set", "duration_s=6", "--set", "warmup_s=1", "--out", str(tmp_path), "-q"]
    assert main([*command, *changes, "--until", "scr:edge_only-gucaa ±0.1%"]) == 0
    told = json.loads(capsys.readouterr().out)
    (verdict,) = told["until"]
    assert verdict["answer"] == "undecided"
    assert verdict["claim"]["margin"] == 0.001
    assert told["warnings"] == []
    assert main([*command, *changes, "--until", "nonsense"]) == 2
    assert "--until nonsense: must read" in capsys.readouterr().err


def test_claims_share_a_look_by_holm_s_rule() -> None:
    """The plain claim is decided at 97.5 %, then the other has the whole 95 %; what is decided stays.

    Mutants: Bonferroni, which leaves the second open; each claim at 95 %, which decides the last pair too.
    """
    reference = np.full(8, 10.0)
    noise = np.array([-1.5, -1.0, -0.5, -0.2, 0.2, 0.5, 1.0, 1.5])
    half = {level: float((paired_difference(noise, 0 * noise, level)).high) for level in (0.95, 0.975)}
    between = (half[0.95] + half[0.975]) / 2
    plain = Claim("scr", "a", "b", 0.001, relative=False)
    near = Claim("scr", "c", "b", 0.001, relative=False)
    pairs = {near: (reference + noise + between, reference), plain: (reference + noise + 5.0, reference)}
    found = judge_together(pairs, 1)
    assert [found[claim].answer for claim in (plain, near)] == ["better", "better"]
    assert [found[claim].level for claim in (plain, near)] == pytest.approx([0.975, 0.95])
    both = judge_together({near: pairs[near], plain: pairs[near]}, 1)
    assert {verdict.answer for verdict in both.values()} == {"undecided"}
    flat = judge_together(dict.fromkeys(pairs, (reference, reference + noise)), 1, found)
    assert flat == found
