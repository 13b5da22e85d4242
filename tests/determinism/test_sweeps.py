"""One study in many ways: workers, shards, order, dask; always the same tables."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest

from mecsim import load_results
from mecsim.study import schedule
from mecsim.study.spec import Study, load_study
from mecsim.study.sweep import sweep

STUDY = """
schema = 1
name = "same"
scenarios = ["smoke"]
policies = ["gucaa", "nearest"]
replications = 2
[grid]
duration_s = [11, 14]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(STUDY)
    return load_study(path)


@pytest.fixture(scope="module")
def expected(study: Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("one")
    assert len(sweep(study, out=folder, jobs=1).origins) == 1
    return load_results(folder).digest()


@pytest.fixture(scope="module")
def by_two(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the study done by two workers."""
    folder = tmp_path_factory.mktemp("two")
    sweep(study, out=folder, jobs=2)
    return folder


def test_two_workers(by_two: Path, expected: str) -> None:
    assert load_results(by_two).digest() == expected


@pytest.mark.usefixtures("in_one_process")
def test_shuffled(study: Study, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = random.Random(1)  # noqa: S311 - an order, not a secret
    monkeypatch.setattr(schedule.RunQueue, "_urgency", lambda self, run, last: (True, True, order.random()))
    sweep(study, out=tmp_path, jobs=1)
    assert load_results(tmp_path).digest() == expected


def test_sharded_at_the_same_time(study: Study, expected: str, tmp_path: Path) -> None:
    shards = [
        threading.Thread(target=sweep, args=(study,), kwargs={"out": tmp_path, "jobs": 1, "shard": (i, 2)})
        for i in (1, 2)
    ]
    for shard in shards:
        shard.start()
    for shard in shards:
        shard.join()
    assert load_results(tmp_path).digest() == expected
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("in_one_process")
def test_another_seed_would_be_noticed(study: Study, expected: str, tmp_path: Path) -> None:
    """Mutant: a seed that depends on who does the run."""
    from dataclasses import replace

    others = tuple(replace(run, seed=run.seed + 1) for run in study.runs)
    sweep(replace(study, runs=others), out=tmp_path, jobs=1)
    assert load_results(tmp_path).digest() != expected


def test_on_dask(study: Study, expected: str, tmp_path: Path, cluster) -> None:
    done = sweep(study, out=tmp_path, scheduler=cluster.scheduler_address)
    assert done.origins == {"new": 8}
    assert load_results(tmp_path).digest() == expected


def test_swept_keys_are_columns(by_two: Path) -> None:
    loaded = load_results(by_two)
    assert list(loaded.rounds.columns[:4]) == ["scenario", "policy", "seed", "duration_s"]
    assert set(loaded.rounds["duration_s"]) == {11, 14}
    manifests = [json.loads(path.read_text()) for path in by_two.glob("*/manifest.json")]
    assert {m["swept"]["duration_s"] for m in manifests} == {11, 14}
    counted = loaded.rounds.groupby(["policy", "seed", "duration_s"]).size()
    assert sorted(counted) == sorted(m["tables"]["rounds"]["rows"] for m in manifests)
