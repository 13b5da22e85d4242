"""``mecsim promise``, ``mecsim recovery`` and ``mecsim map``."""

import json

import pandas as pd
import pytest

from mecsim.cli import main
from mecsim.study.prediction_gap import CAUSES

OUTAGE = "calendar.outages=[{ server = 0, from_s = 20, to_s = 25 }]"


def test_parts_of_the_gap_add_up_to_it(capsys, tmp_path):
    """Mutant: the handover's part left out, which is not zero here."""
    command = ["promise", "smoke", "-p", "nearest", "--seed", "1", "--out", str(tmp_path / "gap"), "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["of"] == "generations"
    assert [row["quantity"] for row in found["means"]] == ["delay_s", "energy_j", "score", "scr"]
    left_out = 0
    for row in found["means"]:
        parts = sum(row[cause] for cause in CAUSES)
        assert row["predicted"] + parts == pytest.approx(row["realised"], rel=1e-9)
        left_out += abs(row["handover"]) > 1e-6 * abs(row["realised"])
    assert left_out > 0
    for name in ("rounds", "generations", "epochs"):
        assert len(pd.read_csv(tmp_path / "gap" / f"{name}.csv"))


def test_the_table_of_the_gap_names_every_cause(capsys):
    assert main(["promise", "smoke", "--set", "duration_s=20"]) == 0
    printed = capsys.readouterr().out
    assert all(cause[:5] in printed for cause in CAUSES)


def test_without_a_round_there_is_no_gap(capsys):
    assert main(["promise", "smoke", "--set", "duration_s=0.01", "--set", "warmup_s=0"]) == 2
    assert "no round was finished" in capsys.readouterr().err


def test_what_an_outage_cost(capsys):
    assert main(["recovery", "smoke", "-p", "nearest", "--set", OUTAGE, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["server"], row["from_s"], row["to_s"]) == (0, 20.0, 25.0)
    assert row["rounds_delayed"] > 0
    assert row["scr_lowest"] < row["scr_before"]
    assert main(["recovery", "smoke", "-p", "nearest", "--set", OUTAGE]) == 0
    assert "1 outages" in capsys.readouterr().out


def test_no_outage_no_recovery(capsys):
    assert main(["recovery", "smoke"]) == 2
    assert "no server fails in this world" in capsys.readouterr().err


def test_a_map_has_servers_ways_and_shading(tmp_path, capsys):
    """An empty picture; a file that cannot be written."""
    from mecsim.analysis.maps import draw_map
    from mecsim.scenario.load import load_scenario

    scenario = load_scenario("smoke")
    axis = draw_map(scenario, 3).axes[0]
    (shading,) = axis.images
    assert shading.get_array().std() > 3.0
    lines = axis.get_lines()
    assert len(lines[-1].get_xdata()) == scenario.servers.count
    assert sum(len(line.get_xdata()) > 100 for line in lines) == scenario.users.count
    assert main(["map", "smoke", "--seed", "3", "--out", str(tmp_path / "m.png")]) == 0
    assert (tmp_path / "m.png").stat().st_size > 5000
    assert main(["map", "smoke", "--out", str(tmp_path / "m.png" / "x.png")]) != 0
    assert "cannot be written" in capsys.readouterr().err
