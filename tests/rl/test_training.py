"""The learners that ship with mecsim: training, resuming, files, and what they are without training."""

import json

import numpy as np
import pytest

from mecsim import load_scenario, make_policy, simulate
from mecsim.cli import main
from mecsim.cli.train_commands import parse_seeds
from mecsim.errors import MecsimError, PolicyFailed, PolicyNotFound
from mecsim.rl import training
from mecsim.rl.bandit import ARM, Bandit
from mecsim.rl.linear_rule import START
from mecsim.rl.training import train
from mecsim.study.policy_choice import PolicyChoice

SHORT = load_scenario("smoke").with_changes(
    {"duration_s": 12.0, "warmup_s": 2.0, "reallocation.period_s": 3.0}
)


@pytest.mark.parametrize("policy", ["bandit", "linear_rule"])
def test_untrained_learners_join_the_strongest_server(policy):
    assert simulate("smoke", policy, 3).digest() == simulate("smoke", "nearest", 3).digest()


@pytest.mark.parametrize("policy", ["bandit", "linear_rule"])
def test_training_goes_on_where_it_stopped(policy, tmp_path, monkeypatch):
    """Mutant: draws that depend on where the training began; the spread of the search forgotten."""
    monkeypatch.setattr(training, "CANDIDATES", 3)
    told = []
    train(
        SHORT, policy, range(5, 9), tmp_path / "whole.json", lambda done, row: told.append((done, row["scr"]))
    )
    train(SHORT, policy, range(5, 7), tmp_path / "parts.json")
    train(SHORT, policy, range(5, 9), tmp_path / "parts.json")
    assert (tmp_path / "whole.json").read_text() == (tmp_path / "parts.json").read_text()
    assert told[-1][0] == 4
    trained = make_policy(policy, weights=str(tmp_path / "whole.json"))
    assert trained.training_seeds == {5, 6, 7, 8}
    with pytest.raises(PolicyFailed, match="seed 5 is one of the 4"):
        simulate(SHORT, policy, 5, weights=str(tmp_path / "whole.json"))
    simulate(SHORT, policy, 5, weights=str(tmp_path / "whole.json"), allow_training_seeds=True)


def test_the_search_finds_the_best_rule(tmp_path, monkeypatch):
    """Mutant: the worst rules are kept."""
    best = np.array([0.8, -0.7, 0.3, 1.0, -0.5, 0.2, -1.0])
    monkeypatch.setattr(training, "rule_episode", lambda scenario, rule, seed: -np.sum((rule - best) ** 2))
    agent = train(SHORT, "linear_rule", range(5, 65), tmp_path / "a.json")
    assert [row["worlds"] for row in agent.curve[:3]] == [2, 4, 6]
    assert np.sum((agent.numbers["weights"] - best) ** 2) < 0.05 * np.sum((START - best) ** 2)


def test_a_bandit_learns_which_features_pay():
    """Mutant: the reward is added to the Gram matrix."""
    bandit, rng, truth = Bandit(), np.random.default_rng(1), np.linspace(-1, 1, ARM)
    for _ in range(3000):
        features = np.append(1.0, rng.uniform(-1, 1, ARM - 1))
        bandit.learn(features, features @ truth + 0.1 * rng.normal())
    np.testing.assert_allclose(np.linalg.solve(bandit.gram, bandit.response), truth, atol=0.02)


def test_the_version_changes_with_the_file(tmp_path):
    train(SHORT, "bandit", [5], tmp_path / "a.json")
    first = PolicyChoice.of(f"bandit:weights={tmp_path}/a.json").version
    train(SHORT, "bandit", [5, 6], tmp_path / "a.json")
    assert PolicyChoice.of(f"bandit:weights={tmp_path}/a.json").version != first
    with pytest.raises(PolicyNotFound, match="cannot be read"):
        make_policy("bandit", weights=str(tmp_path / "b.json"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "else"}, "no agent that mecsim train has written"),
        ({"policy": "linear_rule"}, "policy = linear_rule: is not 'bandit'"),
        ({"training_seeds": [-1]}, "training_seeds: must be a list of whole numbers"),
        ({"numbers": {"gram": [[1.0]], "response": [1.0]}}, r"numbers.gram: must be an array .* \(7, 7\)"),
        ({"numbers": {}}, "numbers.gram: must be an array"),
        ({"curve": 1}, "curve: must be a list"),
    ],
)
def test_files_that_are_no_agent_are_refused(tmp_path, change, told):
    path = tmp_path / "a.json"
    train(SHORT, "bandit", [5], path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PolicyNotFound, match=told):
        make_policy("bandit", weights=str(path))


def test_another_training_is_not_gone_on_with(tmp_path):
    path = tmp_path / "a.json"
    train(SHORT, "bandit", [5, 6], path)
    with pytest.raises(MecsimError, match="other seeds"):
        train(SHORT, "bandit", [6, 5, 7], path)
    with pytest.raises(MecsimError, match="another scenario"):
        train(load_scenario("smoke"), "bandit", [5, 6], path)
    with pytest.raises(MecsimError, match="must be 'bandit' or 'linear_rule' to be trained"):
        train(SHORT, "nearest", [5], path)
    with pytest.raises(MecsimError, match="each once"):
        train(SHORT, "bandit", [5, 5], path)


def test_the_command_writes_the_agent_and_its_curve(tmp_path, capsys):
    out = tmp_path / "agent"
    arguments = ["train", "smoke", "-p", "bandit", "--seeds", "5..6", "--out", str(out), "--quiet"]
    arguments += ["--set", "duration_s=12", "--set", "warmup_s=2"]
    assert main(arguments) == 0
    assert {path.name for path in out.iterdir()} == {"agent.json", "curve.csv", "curve.png"}
    assert len((out / "curve.csv").read_text().splitlines()) == 3
    assert "bandit:weights=" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training_seeds"] == [5, 6]
    assert main(["train", "smoke", "--seeds", "9..5", "--out", str(out)]) == 2
    assert "must stand for 1 to" in capsys.readouterr().err


def test_seeds_are_read():
    assert parse_seeds("100..102") == [100, 101, 102]
    assert parse_seeds("7,3") == [7, 3]
    with pytest.raises(MecsimError, match=r"such as 100\.\.119"):
        parse_seeds("1..b")
