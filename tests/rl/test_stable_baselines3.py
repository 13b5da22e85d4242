"""Models of stable-baselines3: trained in the environments, and as policies, from memory and from files."""

import numpy as np
import pytest

from mecsim import compare, load_results, load_scenario, make_policy, simulate
from mecsim.errors import MecsimError, PolicyNotFound, StudyError
from mecsim.rl.agent import AgentPolicy
from mecsim.rl.network import load_network
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.spec import load_study

sb3 = pytest.importorskip("stable_baselines3", reason="the train extra is not installed")
import gymnasium  # noqa: E402
from stable_baselines3.common.env_checker import check_env  # noqa: E402

import mecsim.rl  # noqa: E402, F401 - registers the environments

SHORT = load_scenario("smoke").with_changes({"duration_s": 20.0, "warmup_s": 0.0})


def trained(name="mecsim/Association-v0", kind="MlpPolicy", algorithm="PPO", options=None, **env_options):
    env = gymnasium.make(name, scenario=SHORT, **env_options)
    steps = {"n_steps": 16, "batch_size": 16} if algorithm == "PPO" else {}
    return getattr(sb3, algorithm)(kind, env, seed=1, device="cpu", **steps, **(options or {})).learn(32)


@pytest.fixture(scope="module")
def model():
    return trained()


def in_the_environment(model, seed, name="mecsim/Association-v0", **options):
    """Return the tables of an episode in which the model itself is asked."""
    env = gymnasium.make(name, scenario=SHORT, **options).unwrapped
    seen, _ = env.reset(seed=seed)
    over = False
    while not over:
        seen, _, _, over, _ = env.step(model.predict(seen, deterministic=True)[0])
    return env.results().digest()


@pytest.mark.parametrize("name", ["Association", "AssociationRatio", "Full"])
@pytest.mark.filterwarnings("error")
def test_its_checker_has_nothing_to_say(name):
    action = "parts" if name == "Association" else "flat"
    check_env(gymnasium.make(f"mecsim/{name}-v0", scenario=SHORT, action=action), skip_render_check=True)


def test_a_model_in_memory_decides_as_in_the_environment_also_in_other_processes(model, tmp_path):
    """Mutants: actions that are drawn; the environments of the training sent to the other process."""
    expected = in_the_environment(model, 3)
    assert simulate(SHORT, AgentPolicy(model), 3).digest() == expected
    compare(SHORT, [AgentPolicy(model)], replications=1, seed=3, jobs=1, out=tmp_path)
    assert load_results(tmp_path).digest() == expected


@pytest.mark.parametrize(
    ("name", "kind", "algorithm", "observation", "action"),
    [
        ("Association", "MultiInputPolicy", "A2C", "dict", "parts"),
        ("Full", "MlpPolicy", "PPO", "flat", "flat"),
        ("AssociationRatio", "MlpPolicy", "SAC", "flat", "flat"),
    ],
)
def test_every_form_and_algorithm_comes_back(name, kind, algorithm, observation, action):
    """Mutant: shares in another order; the number of slots not found in spaces of parts."""
    options = {"observation": observation, "action": action}
    model = trained(f"mecsim/{name}-v0", kind, algorithm, **options)
    form = {"Association": "association", "AssociationRatio": "ratio", "Full": "full"}[name]
    agent = AgentPolicy(model, form=form, observation=observation)
    assert simulate(SHORT, agent, 3).digest() == in_the_environment(model, 3, f"mecsim/{name}-v0", **options)


def test_its_own_file_is_read_only_if_its_algorithm_is_said(model, tmp_path):
    """Mutant: any file is read unasked."""
    file = tmp_path / "agent.zip"
    model.save(file)
    expected = simulate(SHORT, AgentPolicy(model), 3).digest()
    spec = f"mecsim.rl.agent:AgentPolicy:model={file},algorithm=PPO"
    assert simulate(SHORT, spec, 3).digest() == expected
    assert "model sha256" in PolicyChoice.of(spec).version
    with pytest.raises(PolicyNotFound, match=r"holds code.* say which\s+algorithm wrote it"):
        make_policy(spec.replace(",algorithm=PPO", ""))
    with pytest.raises(MecsimError, match=r"algorithm = PP: must be 'A2C'.*; did you mean 'PPO'"):
        load_network(file, "PP")
    file.write_bytes(b"PK")
    with pytest.raises(MecsimError, match=r"agent.zip: no model of PPO"):
        load_network(file, "PPO")


def test_a_study_with_such_a_file_needs_leave(model, tmp_path):
    model.save(tmp_path / "agent.zip")
    (tmp_path / "study.toml").write_text(
        'schema = 1\nname = "learned"\nscenarios = ["smoke"]\nreplications = 1\npolicies = ["nearest", '
        f'{{ name = "mecsim.rl.agent:AgentPolicy", model = "{tmp_path}/agent.zip", algorithm = "PPO" }}]\n'
    )
    with pytest.raises(StudyError, match="allow-local-policies"):
        load_study(tmp_path / "study.toml")
    assert len(load_study(tmp_path / "study.toml", allow_local_policies=True).runs) == 2


def test_tensors_of_a_model_decide_as_the_model(model, tmp_path):
    import torch

    weights = model.policy.state_dict()
    torch.save(weights, tmp_path / "agent.pt")
    np.savez(tmp_path / "agent.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    expected = simulate(SHORT, AgentPolicy(model), 3).digest()
    for name in ("agent.pt", "agent.npz"):
        assert simulate(SHORT, AgentPolicy(tmp_path / name), 3).digest() == expected, name
