"""docs/physics.md: the ranking table is that of the study beside it."""

import runpy
from pathlib import Path

import pytest
from page_tables import written_into

DOCS = Path(__file__).resolve().parents[2] / "docs"
STUDY = runpy.run_path(str(DOCS / "physics_ranking.py"))
PAGE = (DOCS / "physics.md").read_text("utf-8")


def test_the_page_has_a_row_for_each_effect_in_order():
    """Mutants: an effect added without running the study again; a row removed by hand."""
    table = PAGE.split(STUDY["BEGIN"])[1].split(STUDY["END"])[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    assert rows == ["effect", *STUDY["EFFECTS"]]


def test_another_table_takes_the_place_of_the_old_one():
    once = written_into(PAGE, "| a |\n", STUDY["BEGIN"], STUDY["END"])
    twice = written_into(once, "| b |\n", STUDY["BEGIN"], STUDY["END"])
    assert twice == once.replace("| a |", "| b |")
    assert once.split(STUDY["END"])[1] == PAGE.split(STUDY["END"])[1]


def test_a_row_has_ranks_and_the_lead_over_the_best_baseline():
    """Mutants: ranks upwards; the lead over the last; a difference for the ratio."""
    scr = {
        "rucaa": [1.0, 1.2],
        "gucaa": [2.0, 2.2],
        "aauco": [8.0, 9.0],
        "gucro": [4.0, 5.0],
        "dashf": [17.0, 17.0],
        "dashf_plus": [18.0, 18.0],
    }
    cells = STUDY["row_of"]("none", scr).split(" | ")
    assert [cell.split()[-1] for cell in cells[1:7]] == ["(6)", "(5)", "(3)", "(4)", "(2)", "(1)"]
    assert cells[7].startswith("2.00 (")
    assert cells[7].endswith(", aauco |\n")


def test_the_study_measures_the_static_service_cost_ratio():
    """Mutant: the effect not switched on."""
    plain, capped = (
        STUDY["scr_of"](STUDY["EFFECTS"][name], [0]) for name in ("none: the paper's laws", "`nr-256qam`")
    )
    assert set(plain) == set(STUDY["POLICIES"])
    assert plain["gucaa"][0] > capped["gucaa"][0] > 0
    assert plain["dashf_plus"][0] == pytest.approx(max(values[0] for values in plain.values()))
