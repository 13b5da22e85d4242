"""docs/paper.md: its tables are those of the studies beside it."""

import runpy
from pathlib import Path

import pytest
from page_tables import written_into

from mecsim.study.paper.claims import CONTRADICTED, REPRODUCED, UNDECIDED, PaperClaim

DOCS = Path(__file__).resolve().parents[2] / "docs"
STUDY = runpy.run_path(str(DOCS / "paper_readings.py"))
COMPLEXITY = runpy.run_path(str(DOCS / "paper_complexity.py"))
PAGE = (DOCS / "paper.md").read_text("utf-8")


def rows_of(study) -> list[str]:
    made = PAGE.split(study["BEGIN"])[1].split(study["END"])[0]
    return [line for line in made.splitlines() if line.startswith("| ")]


def test_the_page_has_a_row_for_each_reading_and_claim():
    """Mutants: a reading added and the study not run again; a row removed by hand; a wrong sum."""
    rows = rows_of(STUDY)
    named = {row.split(" | ")[0].removeprefix("| "): row.strip("| ").split(" | ")[1:] for row in rows}
    assert set(STUDY["READINGS"]) < set(named)
    numbers = [name for name in named if name.isdigit()]
    for name in STUDY["READINGS"]:
        *signs, total = named[name]
        assert len(signs) == len(numbers)
        assert int(total) == signs.count("+")


def test_the_page_has_a_row_for_each_series_of_sizes():
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows_of(COMPLEXITY)][1:] == [
        *COMPLEXITY["SERIES"]
    ]


@pytest.mark.parametrize("study", [STUDY, COMPLEXITY], ids=["readings", "complexity"])
def test_another_table_takes_the_place_of_the_old_one(study):
    once = written_into(PAGE, "| a |\n", study["BEGIN"], study["END"])
    twice = written_into(once, "| b |\n", study["BEGIN"], study["END"])
    assert twice == once.replace("| a |", "| b |")
    assert once.split(study["END"])[1] == PAGE.split(study["END"])[1]


def test_a_row_counts_what_is_reproduced():
    """Mutant: not decided counts as half."""
    assert (
        STUDY["row_of"]("x", [REPRODUCED, UNDECIDED, CONTRADICTED, REPRODUCED])
        == "| x | + | ? | - | + | 2 |\n"
    )
    claim = PaperClaim("3(a)", "says", "found", REPRODUCED)
    assert STUDY["table_of_readings"]({"x": [claim]}) == "| Reading | 1 | + |\n|---|---|---|\n| x | + | 1 |\n"


class Asked(Exception):
    """Carries the decisions that a study asks for."""


def test_a_reading_is_switched_on_for_every_decision(monkeypatch):
    """Mutants: the changes left out of one figure; our own policy counted; no grid of phi for the best."""

    def ask(decisions, *_):
        raise Asked(decisions)

    def decisions_of(name):
        with pytest.raises(Asked) as asked:
            STUDY["claims_of"](name, [0], 1)
        return asked.value.args[0]

    monkeypatch.setitem(STUDY["claims_of"].__globals__, "decided", ask)
    monkeypatch.setitem(STUDY["claims_of"].__globals__, "make_folder", lambda folder: folder)
    noisy = decisions_of("noise figure 9 dB")
    assert {each.scenario.channel.noise_figure_db for each in noisy} == {9.0}
    assert {each.policy.label for each in noisy} == {"rucaa", "gucaa", "aauco", "gucro", "dashf"}
    assert {each.scenario.servers.count for each in noisy} == {2, 3}
    best = {each.policy.label for each in decisions_of(STUDY["BEST"])}
    assert "gucro:local_fraction=0.0" in best
    assert "dashf_plus" not in best


def test_an_exponent_is_that_of_a_power_law():
    """Mutant: the ratio of the last two sizes taken for the exponent."""
    sizes = [10, 20, 40]
    assert COMPLEXITY["order_of"](sizes, [2e-3 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    row = COMPLEXITY["row_of"]("n", [(10, 2), (20, 2), (40, 2)], [[1e-3, 1e-3], [2e-3, 2e-3], [4e-3, 4e-3]])
    assert row == "| n | (10, 2) 1 ms, (20, 2) 2 ms, (40, 2) 4 ms | 1 (1 to 1) |\n"
