"""Study files: what they mean, and what they are told when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mecsim.errors import MecsimError, StudyError
from mecsim.study.shard import parse_shard
from mecsim.study.spec import load_study
from mecsim.study.sweep import part

GOOD = """
schema = 1
name = "bandwidth"
scenarios = ["smoke"]
policies = ["gucaa", "nearest", { name = "gucaa", local_fraction = 0.3, label = "g3" }]
replications = 2
seed = 5
limit_s = 60
[grid]
"servers.bandwidth_mhz" = [10, 20, 50]
"users.count" = [2, 3]
"""


def written(text: str, name: str = "study.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_product_of_everything_is_run() -> None:
    study = load_study(written(GOOD))
    assert (study.name, study.limit_s, len(study.runs)) == ("bandwidth", 60, 2 * 3 * 2 * 3)
    assert study.swept == ("servers.bandwidth_mhz", "users.count")
    first, last = study.runs[0], study.runs[-1]
    assert (first.seed, dict(first.swept)) == (5, {"servers.bandwidth_mhz": 10, "users.count": 2})
    assert (last.seed, last.policy.label, last.scenario.users.count) == (6, "g3", 3)
    assert len({run.run_id for run in study.runs}) == len(study.runs)


def test_a_swept_run_is_the_run_of_the_changed_scenario() -> None:
    """Mutant rejected: an id made from the study, so that no other command finds the run again."""
    from mecsim import load_scenario
    from mecsim.study.plan import Run
    from mecsim.study.policy_choice import PolicyChoice

    changed = load_scenario("smoke").with_changes({"servers.bandwidth_mhz": 20, "users.count": 2})
    ids = {run.run_id for run in load_study(written(GOOD)).runs}
    assert Run(changed, PolicyChoice.of("nearest"), 6).run_id in ids


def test_changes_come_before_the_grid() -> None:
    study = load_study(written(GOOD), {"duration_s": 20})
    assert {run.scenario.duration_s for run in study.runs} == {20}
    with pytest.raises(
        StudyError, match=r"study.toml:11: grid.users.count: is swept, so --set cannot set it"
    ):
        load_study(written(GOOD), {"users.count": 4})


def test_scenarios_and_policy_files_stand_beside_the_study(tmp_path: Path) -> None:
    """Mutant rejected: names seen from the present folder."""
    from mecsim import load_scenario

    folder = tmp_path / "studies"
    folder.mkdir()
    (folder / "mine.toml").write_text(load_scenario("smoke").to_toml())
    (folder / "mine.py").write_text("from mecsim_policies.baselines import Gucaa\nclass Mine(Gucaa): pass\n")
    text = GOOD.replace('"smoke"', '"mine.toml"').replace('"nearest"', '"mine.py:Mine"')
    study = load_study(written(text, "studies/study.toml"), allow_local_policies=True)
    assert {run.policy.label for run in study.runs} == {"gucaa", "Mine", "g3"}
    mine = next(run for run in study.runs if run.policy.label == "Mine")
    assert mine.policy.version.startswith("sha256")
    # The id does not depend on the folder: a study may move to another machine.
    assert mine.policy.target == "mine.py:Mine"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("replications", "replicatons", "study.toml:6: replicatons = 2: unknown key; did you mean"),
        ("= 2\n", "= 0\n", "study.toml:6: replications = 0: must be"),
        ("= 2\n", "= true\n", "replications = true: must be"),
        ("seed = 5", "seed = -1", "study.toml:7: seed = -1: must be"),
        ("limit_s = 60", "limit_s = 0", "limit_s = 0: must be"),
        ("schema = 1", "schema = 2", "study.toml:2: schema = 2: must be 1"),
        ('name = "bandwidth"', 'name = "../x"', "study.toml:3: name = \"../x\": must be 1 to 100 letters"),
        ('["smoke"]', "[]", "study.toml:4: scenarios = []: must be"),
        ('["smoke"]', '["smokey"]', "study.toml:4: smokey: no such file, nor a shipped"),
        ('["smoke"]', '["smoke", "smoke"]', "study.toml: smoke under gucaa is asked for twice"),
        ('"nearest"', '"nearst"', "study.toml:5: policy 'nearst' is not known; did you mean 'nearest'?"),
        ('"nearest"', '"gucaa"', "policy 'gucaa' is given twice"),
        ("local_fraction", "fraction", "no parameter 'fraction'"),
        ('{ name = "gucaa", ', "{ ", "the key 'name' is missing"),
        ("[10, 20, 50]", "[10, 20, -50]", "study.toml:9: smoke with changes: servers.bandwidth_mhz = -50"),
        ("[10, 20, 50]", "[]", "study.toml:10: grid.servers.bandwidth_mhz = []: must be a list"),
        ("[10, 20, 50]", "[10, 10]", "each only once"),
        ("[10, 20, 50]", "10", "grid.servers.bandwidth_mhz = 10: must be a list"),
        ("servers.bandwidth_mhz", "servers.bandwith_mhz", "did you mean 'bandwidth_mhz'?"),
        ("= 2\n", "= 100000\n", "1800000 runs, must be at most 1000000"),
        ('"smoke"]', '"smoke"', "not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, words: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(StudyError) as caught:
        load_study(written(GOOD.replace(old, new, 1)))
    assert words in str(caught.value)


def test_all_problems_at_once() -> None:
    text = GOOD.replace('"smoke"', '"smokey"').replace('"nearest"', '"nearst"')
    with pytest.raises(StudyError) as caught:
        load_study(written(text))
    assert len(caught.value.problems) == 2


def test_no_such_study() -> None:
    with pytest.raises(StudyError, match=r"gone.toml: no such file"):
        load_study("gone.toml")


@pytest.mark.parametrize("parts", [1, 2, 5, 50])
def test_shards_are_a_partition(parts: int) -> None:
    runs = load_study(written(GOOD)).runs
    shards = [part(runs, (i + 1, parts)) for i in range(parts)]
    assert sorted(run.run_id for shard in shards for run in shard) == sorted(run.run_id for run in runs)


def test_a_shard_has_runs_of_every_policy() -> None:
    """Mutant rejected: every n-th run, which with n policies is one policy."""
    runs = load_study(written(GOOD)).runs
    assert len({run.policy.label for run in part(runs, (1, 3))}) == 3


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "a/2", "-1/2", "1/0"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(MecsimError, match=r"must read i/n with i from 1 to n"):
        parse_shard(text)
    assert parse_shard("2/8") == (2, 8)
