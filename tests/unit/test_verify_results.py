"""``mecsim verify RESULTS``: whoever changes a table or a manifest, and all hashes with it, is found out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mecsim import load_scenario, simulate
from mecsim.cli import main
from mecsim.errors import ResultStoreError
from mecsim.results.laws import LAWS, broken_laws
from mecsim.results.recompute import checked_metrics
from mecsim.results.result import tables_digest
from mecsim.results.store import load_run, write_run
from mecsim.study.verify_results import check_run, is_shipped, verify_results

SCENARIO = load_scenario("smoke").with_changes({"duration_s": 20, "warmup_s": 2, "record.bound": True})


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "run"
    simulate(SCENARIO, "nearest", seed=1, out=folder)
    return folder


def forged(good: Path, place: Path, table: str = "", digest: bool = True, **changes: object) -> Path:
    """Write the run with another table or other keys, and every hash and row count as it should be."""
    results = load_run(good)
    manifest = results.manifest | (changes if not table else {})
    if table:
        frame = getattr(results, table).copy()
        for column, (row, value) in changes.items():
            frame.loc[row, column] = value
        results = replace(results, **{table: frame})
    results = replace(results, manifest=manifest)
    if digest:
        results.manifest["digest"] = tables_digest(results.tables)
    write_run(results, place)
    return place


def test_a_run_is_what_it_says_and_comes_out_again(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(good.parent), "--rerun", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"]
    assert told["rerun"] == 1
    assert told["checks"][0]["rerun"] == "same bits"
    assert told["checks"][0]["problems"] == told["checks"][0]["remarks"] == []


# What is changed in a table, and a word of the law that it breaks.
BROKEN = {
    "the delay of a round": ("rounds", "delay_s", (3, 0.01)),
    "the energy of a round": ("rounds", "energy_j", (3, 0.01)),
    "the energy that epochs meter": ("epochs", "realised_energy_j", (0, 5.0)),
    "epochs count the rounds": ("epochs", "rounds_finished", (0, 1000)),
    "everything lies between": ("rounds", "start_s", (3, 1e4)),
    "epochs follow each other": ("epochs", "time_s", (2, 0.0)),
    "a user has one round at a time": ("rounds", "start_s", (60, 0.0)),
    "the rounds of a user are counted": ("rounds", "round", (3, 2_000_000_000)),
    "a round begins after": ("rounds", "epoch", (0, 3)),
    "users and servers are those": ("rounds", "server_last", (3, 7)),
    "a server grants at most": ("allocations", "bandwidth_hz", (3, 1e9)),
    "users are in the area": ("positions", "x_m", (3, 4000.0)),
    "a gap is upper_bound": ("epochs", "gap", (2, 5.0)),
}


@pytest.mark.parametrize("law", BROKEN)
def test_every_law_finds_what_breaks_it(good: Path, law: str) -> None:
    """Each law's mutant is a table with one other value."""
    table, column, (row, value) = BROKEN[law]
    results = load_run(good)
    assert broken_laws(results, SCENARIO) == []
    frame = getattr(results, table).copy()
    frame.loc[row, column] = value
    found = broken_laws(replace(results, **{table: frame}), SCENARIO)
    assert any(line.startswith(law) for line in found)


def test_every_law_has_a_mutant() -> None:
    assert [next(name for name in BROKEN if law.says.startswith(name)) for law in LAWS] == list(BROKEN)


def test_metrics_that_are_not_those_of_the_tables(good: Path, tmp_path: Path) -> None:
    """Mutant: metrics that are believed since the hash of the manifest is right."""
    metrics = load_run(good).manifest["metrics"]
    folder = forged(good, tmp_path / "run", metrics=metrics | {"scr": 1e6})
    assert any("metrics.scr = 1000000: the tables give" in line for line in check_run(folder).problems)
    with pytest.raises(ResultStoreError, match=r"metrics\.scr"):
        checked_metrics(load_run(folder))
    assert checked_metrics(load_run(good))


def test_a_table_that_was_changed_with_all_its_hashes(good: Path, tmp_path: Path) -> None:
    rounds = load_run(good).rounds
    folder = forged(
        good, tmp_path / "run", "rounds", digest=False, score=(60, float(rounds["score"][60]) * 2)
    )
    problems = check_run(folder).problems
    assert any(line.startswith("digest = ") for line in problems)
    folder = forged(good, tmp_path / "again", "rounds", score=(60, float(rounds["score"][60]) * 2))
    problems = check_run(folder).problems
    assert any("metrics.scr" in line for line in problems)
    assert not any(line.startswith("digest = ") for line in problems)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": 5}, "users = 5: the scenario has 4"),
        ({"duration_s": 21.0}, "duration_s = 21.0: the scenario has 20.0"),
        (
            {"objective": {"delay_weight_per_s": 1.0, "energy_weight_per_j": 0.005}},
            "objective.delay_weight_per_s",
        ),
        ({"scenario_sha256": "0" * 64}, "scenario_sha256"),
        ({"notes": []}, ""),
        ({"seed": 2}, "positions.x_m"),
        ({"counts": {"handovers": 0, "epochs": 99}}, "counts.epochs = 99"),
    ],
)
def test_keys_that_are_not_of_the_scenario(good: Path, tmp_path: Path, changes: dict, words: str) -> None:
    problems = check_run(forged(good, tmp_path / "run", **changes)).problems
    assert any(words in line for line in problems) == bool(words)


def test_a_forger_who_keeps_every_law_is_found_by_a_second_run(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decisions are measured by nothing but a second run. Mutant: --rerun that compares metrics only."""
    folder = forged(good, tmp_path / "run", "allocations", user_power_w=(0, 0.05))
    assert check_run(folder).problems == ()
    assert main(["verify", str(folder), "--rerun", "1"]) == 1
    assert "run again: other tables" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_is_named(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(good, tmp_path / "a")
    shutil.copytree(good, tmp_path / "b")
    (tmp_path / "b" / "rounds.parquet").write_bytes(b"PAR1")
    assert main(["verify", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "1 of 2 runs are what they say" in printed.out
    assert "b/rounds.parquet" in printed.err
    assert "/a/" not in printed.err


def test_files_that_are_not_here_are_a_remark(good: Path, tmp_path: Path) -> None:
    """The scenario of a run may name files that stayed where it was computed, and none of elsewhere."""
    manifest = load_run(good).manifest
    text = manifest["scenario_toml"].replace(
        "positions_m", "layout = { model = 'file', file = '/etc/passwd' }\n#"
    )
    check = check_run(forged(good, tmp_path / "run", scenario_toml=text))
    assert check.problems == ()
    assert "must be in the scenario's folder" in check.remarks[0]


@pytest.mark.parametrize(
    ("target", "parameters", "shipped"),
    [
        ("nearest", {}, True),
        ("hysteresis", {"policy": "gucaa"}, True),
        ("antigravity:fly", {}, False),
        ("x.py:X", {}, False),
        ("hysteresis", {"policy": "x.py:X"}, False),
        ("hysteresis", {"policy": "(((("}, False),
    ],
)
def test_only_policies_that_ship_are_run_again(target: str, parameters: dict, shipped: bool) -> None:
    """Mutant: a policy made to see whether it is one of ours, which imports whatever a manifest names."""
    assert is_shipped(target, parameters) == shipped


def test_a_policy_of_others_is_not_run_again(good: Path, tmp_path: Path) -> None:
    folder = forged(good, tmp_path / "run", policy_target="antigravity:fly")
    checks = verify_results(folder, rerun=1)
    assert checks[0].rerun == ""
    assert "no run here can be repeated" in checks[0].remarks[0]


@pytest.mark.parametrize("command", [["--rerun", "1"], ["RUN", "--full"], ["nowhere"]])
def test_options_that_do_not_go_together(good: Path, command: list[str]) -> None:
    assert main(["verify", *[str(good) if word == "RUN" else word for word in command]]) == 2
