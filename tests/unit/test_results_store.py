"""Run folders: what is written is what is read; nothing is overwritten by accident."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mecsim import load_results, load_scenario, simulate
from mecsim.errors import ResultStoreError
from mecsim.results.provenance import differences, environment
from mecsim.results.result import Results
from mecsim.results.store import claim, load_run, read_manifest, write_run
from mecsim.tables import KEYS, SCHEMA, TABLES


@pytest.fixture(scope="module")
def run() -> Results:
    return simulate("smoke", "nearest", seed=1)


@pytest.fixture
def folder(run: Results, tmp_path: Path) -> Path:
    write_run(run, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_comes_back_bit_for_bit(run: Results, folder: Path) -> None:
    loaded = load_run(folder)
    for name in TABLES:
        pd.testing.assert_frame_equal(loaded.tables[name], run.tables[name], check_exact=True)
    assert loaded.digest() == run.digest() == loaded.manifest["digest"]


def test_odd_values_survive(run: Results, tmp_path: Path) -> None:
    values = run.epochs["scr"].copy()
    odd = [np.nan, np.inf, -np.inf, -0.0, 5e-324]
    values.iloc[: len(odd)] = odd
    text = run.epochs["status"].copy()
    text.iloc[0] = "naïve — 中文"
    changed = Results(
        **{**run.tables, "epochs": run.epochs.assign(scr=values, status=text)}, manifest=run.manifest
    )
    write_run(changed, tmp_path / "odd")
    assert load_run(tmp_path / "odd").digest() == changed.digest()


def test_the_folder_holds_what_design_6_says_and_nothing_else(folder: Path) -> None:
    names = {f"{name}.parquet" for name in ("rounds", "epochs", "generations", "positions", "allocations")}
    names |= {"manifest.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_the_manifest_tells_where_the_run_comes_from(run: Results, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    scenario = load_scenario("smoke")
    assert manifest["schema"] == SCHEMA
    assert (manifest["scenario"], manifest["policy"], manifest["seed"]) == ("smoke", "nearest", 1)
    assert manifest["scenario_sha256"] == scenario.sha256
    assert manifest["scenario_text"] == scenario.text
    assert manifest["policy_parameters"] == {}
    assert manifest["policy_version"]
    assert manifest["wall_s"] > 0
    assert manifest["cpu_s"] > 0
    assert manifest["counts"]["events"] > 0
    assert manifest["environment"]["packages"]["numpy"] == np.__version__
    assert manifest["environment"]["simd"]
    for name, entry in manifest["tables"].items():
        content = (folder / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["rows"] == len(run.tables[name])


def test_the_run_can_be_made_again_from_its_manifest(run: Results) -> None:
    scenario = type(load_scenario("smoke")).from_toml(run.manifest["scenario_toml"])
    again = simulate(
        scenario, run.manifest["policy_target"], run.manifest["seed"], **run.manifest["policy_parameters"]
    )
    assert again.digest() == run.digest()


def test_units_travel_in_the_parquet_file(folder: Path) -> None:
    schema = pq.read_schema(folder / "rounds.parquet")
    assert schema.field("delay_s").metadata[b"unit"] == b"s"
    assert schema.field("moved_bits").metadata[b"meaning"]


def test_the_same_tables_give_the_same_bytes(run: Results, tmp_path: Path) -> None:
    hashes = [write_run(run, tmp_path / name)["tables"] for name in ("a", "b")]
    assert hashes[0] == hashes[1]


def test_simulate_writes_what_it_returns(tmp_path: Path) -> None:
    result = simulate("smoke", "gucaa", seed=2, out=tmp_path / "x" / "run")
    assert load_run(tmp_path / "x" / "run").digest() == result.digest()
    assert result.manifest == read_manifest(tmp_path / "x" / "run")


def test_the_same_run_is_replaced_and_another_is_not(run: Results, folder: Path) -> None:
    write_run(run, folder)
    other = simulate("smoke", "nearest", seed=2)
    with pytest.raises(ResultStoreError, match="holds another run"):
        write_run(other, folder)
    assert load_run(folder).digest() == run.digest()
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_foreign_files_are_left_alone(run: Results, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ResultStoreError, match="is no run folder"):
        write_run(run, tmp_path / "thesis")
    with pytest.raises(ResultStoreError, match="is no run folder"):
        claim(tmp_path / "thesis" / "chapter.tex", "id")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_taken_folder_is_refused_before_the_simulation_starts(folder: Path) -> None:
    steps: list[float] = []
    with pytest.raises(ResultStoreError, match="holds another run"):
        simulate("smoke", "gucaa", seed=1, out=folder, on_progress=steps.append)
    assert not steps


def test_many_runs_become_tidy_frames(tmp_path: Path) -> None:
    for policy in ("nearest", "gucaa"):
        for seed in (2, 1):
            simulate("smoke", policy, seed, out=tmp_path / "study" / f"{policy}-{seed}")
    both = load_results(tmp_path)
    keys = both.rounds[list(KEYS)].drop_duplicates().to_numpy().tolist()
    assert keys == [
        ["smoke", "gucaa", 1],
        ["smoke", "gucaa", 2],
        ["smoke", "nearest", 1],
        ["smoke", "nearest", 2],
    ]
    for name, frame in both.tables.items():
        assert list(frame.columns) == [*KEYS, *(c.name for c in TABLES[name])]
        assert frame["seed"].dtype == np.int64
    assert len(both.manifest["runs"]) == 4
    one = both.rounds.query("policy == 'gucaa' and seed == 2").drop(columns=list(KEYS))
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), load_run(tmp_path / "study" / "gucaa-2").rounds, check_exact=True
    )


def test_one_run_has_keys_and_its_own_digest(run: Results, folder: Path) -> None:
    loaded = load_results(folder)
    assert list(loaded.epochs.columns[:3]) == list(KEYS)
    assert loaded.digest() == run.digest()
    assert loaded.manifest["run_id"] == run.manifest["run_id"]


def test_an_empty_table_does_not_spoil_the_dtypes(run: Results, tmp_path: Path) -> None:
    empty = Results(**{**run.tables, "generations": run.generations.iloc[:0]}, manifest=run.manifest)
    write_run(empty, tmp_path / "empty")
    simulate("smoke", "gucaa", 1, out=tmp_path / "full")
    loaded = load_results(tmp_path).generations
    assert loaded["users"].dtype == np.int64
    assert loaded["seed"].dtype == np.int64
    assert set(loaded["policy"]) == {"gucaa"}


def test_scenario_keys_that_differ_become_columns(tmp_path: Path) -> None:
    """Mutant rejected: runs of two bandwidths in one frame with nothing to tell them apart."""
    smoke = load_scenario("smoke")
    for mhz in (10, 20):
        simulate(smoke.with_changes({"servers.bandwidth_mhz": mhz}), "gucaa", 1, out=tmp_path / str(mhz))
    loaded = load_results(tmp_path)
    assert list(loaded.rounds.columns[:4]) == [*KEYS, "servers.bandwidth_mhz"]
    delay_s = loaded.rounds.groupby("servers.bandwidth_mhz")["uplink_s"].mean()
    assert delay_s.loc[20] < delay_s.loc[10]


def test_two_copies_of_one_run_are_refused(run: Results, tmp_path: Path) -> None:
    write_run(run, tmp_path / "a")
    write_run(run, tmp_path / "b")
    with pytest.raises(ResultStoreError, match="two runs with scenario = smoke, policy = nearest, seed = 1"):
        load_results(tmp_path)


def test_environment_names_what_bits_depend_on() -> None:
    recorded = json.loads(json.dumps(environment()))
    assert differences(recorded) == []
    recorded["packages"]["numpy"] = "1.0"
    recorded["code_sha256"] = "0"
    recorded["platform"] = "elsewhere"
    assert differences(recorded) == ["code_sha256", "packages.numpy"]


def test_results_in_a_console_fill_no_more_than_a_screen(run: Results) -> None:
    lines = repr(run).splitlines()
    assert lines[0] == f"Results of scenario {run.manifest['scenario']!r}, policy 'nearest', seed 1"
    assert f"  rounds       {len(run.rounds)} rows" in lines
    assert len(lines) <= 24
    both = replace(run, manifest={"runs": [run.manifest, run.manifest]})
    assert repr(both).startswith("Results of 2 runs")
