"""Tuning: separate seeds, equal budgets, and the report of both."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mecsim.cli import main
from mecsim.errors import MecsimError, PolicyNotFound
from mecsim.scenario.load import load_scenario
from mecsim.study.tune import TUNING_SEED, Tuned, candidates, tune

SPECS = ("gucaa:local_fraction=0.1|0.9", "edge_only")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Tuned:
    scenario = load_scenario("smoke").with_changes({"duration_s": 8, "warmup_s": 1})
    out = tmp_path_factory.mktemp("tuned")
    found = tune(scenario, dict(map(candidates, SPECS)), "delay_s", budget=5, replications=2, seed=7, out=out)
    seeds = {
        part: {p.name.split("-s")[-1].split("-")[0] for p in (out / part).iterdir() if p.is_dir()}
        for part in ("tuning", "test")
    }
    assert seeds == {"tuning": {"1000000", "1000001"}, "test": {"7", "8"}}
    return found


def test_candidates_are_all_combinations() -> None:
    name, own = candidates("hysteresis:policy=gucaa|nearest,margin=0.1|0.2")
    assert name == "hysteresis"
    assert [choice.parameters for choice in own] == [
        {"policy": p, "margin": m} for p in ("gucaa", "nearest") for m in (0.1, 0.2)
    ]
    assert [choice.label for choice in candidates("nearest")[1]] == ["nearest"]
    with pytest.raises(PolicyNotFound, match="local_fracton"):
        candidates("gucaa:local_fracton=0.1|0.2")


def test_no_seed_serves_for_both(tuned: Tuned) -> None:
    """Mutant: the chosen one judged on the seeds it was chosen by."""
    assert tuned.tuning_seeds == (TUNING_SEED, TUNING_SEED + 1)
    assert tuned.test_seeds == (7, 8)
    assert not set(tuned.tuning_seeds) & set(tuned.test.per_run["seed"])
    assert tuned.lines[0] == "tuned by delay_s on seeds 1000000 to 1000001, 5 runs a policy"
    assert tuned.lines[1].startswith("tested on seeds 7 to 8, none of which")


def test_the_smallest_delay_is_chosen(tuned: Tuned) -> None:
    """Mutant: the largest mean, which is right for SCR alone."""
    own = tuned.candidates[tuned.candidates["policy"] == "gucaa"]
    assert own["seeds"].to_list() == [2, 2]
    assert own.loc[own["chosen"], "mean"].item() == own["mean"].min() < own["mean"].max()
    assert tuned.test.policies[0] == own.loc[own["chosen"], "candidate"].item()
    assert "edge_only: nothing to tune" in tuned.lines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 3}, "budget = 3: must be at least 4, two runs for each candidate of gucaa"),
        ({"tuning_seed": 8, "seed": 0}, "the 10 test seeds and the 20 tuning seeds must not meet"),
        ({"tuning_seed": 0, "seed": 19}, "must not meet"),
        ({"metric": "srr"}, r"metric = srr: must be .*did you mean 'scr'\?"),
        ({"replications": 0}, "replications = 0: must be at least 1"),
        ({"policies": dict([candidates("nearest")])}, "nothing to tune"),
    ],
)
def test_what_cannot_be_is_told_before_any_run(changes: dict, message: str) -> None:
    given = {"scenario": "smoke", "policies": dict(map(candidates, SPECS))} | changes
    with pytest.raises(MecsimError, match=message):
        tune(**given)


def test_the_command_tells_the_seeds(capsys, tmp_path) -> None:
    command = ["tune", "smoke", "-p", ",".join(SPECS), "--budget", "4", "-r", "2", "-j", "1", "-q"]
    changes = ["--set", "duration_s=4", "--set", "warmup_s=0", "--out", str(tmp_path)]
    assert main([*command, *changes, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seeds"] == {"tuning": [1000000, 1000001], "test": [0, 1]}
    assert [row["chosen"] for row in told["candidates"]].count(True) == 2
    assert len(pd.read_csv(tmp_path / "tuning.csv")) == 3
    tested = pd.read_csv(tmp_path / "test" / "comparison.csv")
    assert set(tested["policy"]) == {row["candidate"] for row in told["candidates"] if row["chosen"]}
