"""Which runs a study has, what they are called, which of them need not be run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mecsim_policies.baselines import Gucaa
from mecsim_policies.hysteresis import Hysteresis

from mecsim import load_scenario
from mecsim.errors import PolicyNotFound
from mecsim.results.manifest import manifest_sha256
from mecsim.results.notes import run_notes
from mecsim.study.own_policies import is_own
from mecsim.study.plan import Run, plan
from mecsim.study.policy_choice import PolicyChoice, choose_policies, split_policies
from mecsim.study.pool import worker_count
from mecsim.study.runner import execute, finished


class Mine(Gucaa):
    """Somebody's own policy."""


def choice(given: object) -> PolicyChoice:
    return PolicyChoice.of(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("gucaa,nearest", ["gucaa", "nearest"]),
        (" gucaa , nearest, ", ["gucaa", "nearest"]),
        ("a:x=1,y=2,b", ["a:x=1,y=2", "b"]),
        ("a:x=1, y=2,b:z=3,c", ["a:x=1, y=2", "b:z=3", "c"]),
        ("my dir/f.py:C:x=1,m.n:D,f.py:E", ["my dir/f.py:C:x=1", "m.n:D", "f.py:E"]),
        ("h:policy=a:x=1,margin=0.1,b", ["h:policy=a:x=1,margin=0.1", "b"]),
        ("h:policy='a:x=1,y=2',b", ["h:policy='a:x=1,y=2'", "b"]),
        ("", []),
    ],
)
def test_a_comma_before_a_parameter_stays_within_a_policy(text: str, specs: list[str]) -> None:
    """Mutant rejected: ``text.split(",")``, which takes y=2 for a policy."""
    assert split_policies(text) == specs


@pytest.mark.parametrize(
    ("given", "target", "parameters", "label"),
    [
        ("gucaa", "gucaa", {}, "gucaa"),
        ("gucaa:local_fraction=0.3", "gucaa", {"local_fraction": 0.3}, "gucaa:local_fraction=0.3"),
        ("some.module:MyPolicy", "some.module:MyPolicy", {}, "MyPolicy"),
        ("a/b.py:MyPolicy:k=2", "a/b.py:MyPolicy", {"k": 2}, "MyPolicy:k=2"),
        (
            {"name": "gucaa", "local_fraction": 0.3},
            "gucaa",
            {"local_fraction": 0.3},
            "gucaa:local_fraction=0.3",
        ),
        ({"name": "gucaa", "local_fraction": 0.3, "label": "mine"}, "gucaa", {"local_fraction": 0.3}, "mine"),
    ],
)
def test_what_a_person_may_write(given: object, target: str, parameters: dict, label: str) -> None:
    found = choice(given)
    assert (found.target, found.parameters, found.label) == (target, parameters, label)


@pytest.mark.parametrize("given", [{"label": "x"}, 3, dict, object()])
def test_what_is_no_policy_is_refused(given: object) -> None:
    with pytest.raises(PolicyNotFound):
        choice(given)


def test_every_make_gives_a_new_object() -> None:
    mine = Gucaa()
    for given in ("gucaa", mine):
        assert choice(given).make() is not choice(given).make()
        assert choice(given).make() is not mine


def test_equal_class_names_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        text = "from mecsim_policies.baselines import Gucaa\nclass Same(Gucaa):\n    pass\n"
        (tmp_path / f"{name}.py").write_text(text)
    specs = [f"{tmp_path}/{name}.py:Same" for name in ("a", "b")]
    assert [found.label for found in choose_policies(specs)] == specs


def test_replications_pair_the_policies() -> None:
    runs = plan(load_scenario("smoke"), [choice("gucaa"), choice("nearest")], 3, seed=7)
    assert [(run.seed, run.policy.label) for run in runs] == [
        (7, "gucaa"), (7, "nearest"), (8, "gucaa"), (8, "nearest"), (9, "gucaa"), (9, "nearest"),
    ]  # fmt: skip


def test_a_run_id_is_readable_repeats_and_tells_runs_apart() -> None:
    smoke = load_scenario("smoke")
    run = Run(smoke, choice("gucaa:local_fraction=0.3"), 4)
    assert run.run_id == Run(load_scenario("smoke"), choice("gucaa:local_fraction=0.3"), 4).run_id
    assert run.run_id.startswith("smoke-gucaa-local_fraction=0.3-s4-")
    others = [
        Run(smoke, choice("gucaa:local_fraction=0.4"), 4),
        Run(smoke, choice("gucaa:local_fraction=0.3"), 5),
        Run(
            smoke, choice({"name": "nearest", "local_fraction": 0.3, "label": "gucaa:local_fraction=0.3"}), 4
        ),
        Run(smoke.with_changes({"servers.bandwidth_mhz": 11}), choice("gucaa:local_fraction=0.3"), 4),
    ]
    assert len({run.run_id, *(other.run_id for other in others)}) == 5


def test_a_run_id_is_one_harmless_folder_name() -> None:
    label = {"name": "gucaa", "label": "../../etc/ü x*?"}
    run_id = Run(load_scenario("smoke"), choice(label), 0).run_id
    assert "/" not in run_id
    assert not set(run_id) & set(" *?:\\")


def test_a_finished_run_is_taken_for_what_it_is(tmp_path: Path) -> None:
    """Mutants rejected: reuse after a change of code, of a package, of the seed."""
    run = Run(load_scenario("smoke"), choice("gucaa"), 1)
    execute(run, out=tmp_path / "run")
    again = finished(run, tmp_path / "run")
    assert again is not None
    assert again.digest() == execute(run).digest()
    assert finished(run, tmp_path / "elsewhere") is None
    assert finished(Run(run.scenario, run.policy, 2), tmp_path / "run") is None

    path = tmp_path / "run" / "manifest.json"
    original = json.loads(path.read_text(encoding="utf-8"))
    for change in (
        {"code_sha256": "0" * 64},
        {"packages": original["environment"]["packages"] | {"numpy": "0"}},
    ):
        manifest = original | {"environment": original["environment"] | change}
        manifest["sha256"] = manifest_sha256(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")
        assert finished(run, tmp_path / "run") is None


@pytest.mark.parametrize("given", [f"{__file__}:Mine", Mine(), Gucaa()])
def test_what_is_not_ours_by_name_is_always_run_again(given: object, tmp_path: Path) -> None:
    run = Run(load_scenario("smoke"), choice(given), 1)
    execute(run, out=tmp_path / "run")
    assert finished(run, tmp_path / "run") is None


def test_what_takes_the_time_it_was_measured_to_take_is_always_run_again(tmp_path: Path) -> None:
    """Mutant rejected: a run reused whose bits no other run has."""
    changes = {"reallocation.decision_latency": "measured"}
    run = Run(load_scenario("smoke").with_changes(changes), choice("gucaa"), 1)
    results = execute(run, out=tmp_path / "run")
    assert results.manifest["reproducible"] is False
    assert any("measured" in note for note in run_notes(results))
    assert finished(run, tmp_path / "run") is None


def test_ours_around_somebody_elses_is_not_ours() -> None:
    assert is_own(Hysteresis(Gucaa()))
    assert not is_own(Hysteresis(Mine()))


def test_a_class_that_calls_itself_ours_is_not() -> None:
    """Mutant: the name of the module is taken from the class."""
    posing = type("Gucaa", (Gucaa,), {"__module__": Gucaa.__module__})
    assert not is_own(posing())


def test_worker_count() -> None:
    assert worker_count(1, 50) == 1
    assert worker_count(8, 3) == 3
    assert worker_count(-1, 1000) >= 1
