"""Trained agents as policies: files and objects, their identity, and the seeds they were trained with."""

import numpy as np
import pytest

from mecsim import compare, simulate
from mecsim.errors import InvalidAllocation, MecsimError, PolicyFailed
from mecsim.rl.agent import AgentPolicy
from mecsim.rl.network import Mlp, load_network
from mecsim.rl.observations import flat_size, shapes
from mecsim.study.policy_choice import PolicyChoice
from mecsim.testing import check_policy

SLOTS, SERVERS = 4, 2


def nearest_tensors():
    """Return one layer whose logits are the gains: the agent that joins the strongest server."""
    size, first = flat_size(SLOTS, SERVERS), 0
    for name, shape in shapes(SLOTS, SERVERS).items():
        if name == "gain":
            break
        first += int(np.prod(shape))
    weight = np.zeros((SLOTS * SERVERS, size))
    weight[np.arange(SLOTS * SERVERS), first + np.arange(SLOTS * SERVERS)] = 1.0
    return {"0.weight": weight, "0.bias": np.zeros(SLOTS * SERVERS)}


class Model:
    """An object as libraries make them: draws unless told not to, and returns a tuple."""

    def __init__(self):
        self.network = Mlp(nearest_tensors())

    def predict(self, observation, state=None, deterministic=False):
        assert deterministic
        return self.network.predict(observation).reshape(SLOTS, SERVERS).argmax(axis=1), None


@pytest.fixture
def files(tmp_path):
    """Return the agent that joins the strongest server as files of each kind."""
    tensors = nearest_tensors()
    np.savez(tmp_path / "agent.npz", **tensors)
    onnx = pytest.importorskip("onnx", reason="the package onnx, which writes networks, is not installed")
    from onnx import TensorProto, helper, numpy_helper

    weights = [numpy_helper.from_array(t.astype(np.float32), n[2:]) for n, t in tensors.items()]
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["seen", "weight", "bias"], ["logits"], transB=1)],
        "agent",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, [None, flat_size(SLOTS, SERVERS)])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, SLOTS * SERVERS])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "agent.onnx"))
    return tmp_path


def test_an_agent_that_joins_the_strongest_server_gives_the_tables_of_nearest():
    """Mutant: slots or parts of the observation in another order than in the environment."""
    expected = simulate("smoke", "nearest", 3).digest()
    assert simulate("smoke", AgentPolicy(Model()), 3).digest() == expected


def test_files_hold_the_same_agent(files):
    pytest.importorskip("onnxruntime", reason="the onnx extra is not installed")
    expected = simulate("smoke", "nearest", 3).digest()
    for name in ("agent.npz", "agent.onnx"):
        assert simulate("smoke", AgentPolicy(files / name), 3).digest() == expected, name


def test_it_is_compared_in_processes_of_its_own(tmp_path):
    np.savez(tmp_path / "agent.npz", **nearest_tensors())
    comparison = compare("smoke", ["nearest", AgentPolicy(tmp_path / "agent.npz")], replications=2, jobs=1)
    scr = comparison.per_run.pivot(index="seed", columns="policy", values="scr")
    np.testing.assert_array_equal(scr["nearest"], scr["AgentPolicy"])


def test_an_agent_keeps_the_contract():
    class Strongest:
        def predict(self, parts):
            return parts["gain"].argmax(axis=1)

    check_policy(AgentPolicy(Strongest(), observation="dict"))


def test_the_weights_are_part_of_the_identity(tmp_path):
    """Mutant: the name of the file alone."""
    tensors = nearest_tensors()
    versions = []
    for factor in (1.0, 2.0):
        np.savez(tmp_path / "agent.npz", **{name: factor * each for name, each in tensors.items()})
        spec = f"mecsim.rl.agent:AgentPolicy:model={tmp_path}/agent.npz"
        versions += [
            PolicyChoice.of(spec).version,
            PolicyChoice.of(AgentPolicy(tmp_path / "agent.npz")).version,
        ]
    assert len(set(versions)) == 4
    assert all("sha256" in version for version in versions)


def test_training_seeds_are_refused_as_test_seeds():
    agent = AgentPolicy(Model(), training_seeds=range(3, 8))
    with pytest.raises(
        PolicyFailed, match="seed 3 is one of the 5 that it was trained with; take others, such as 8"
    ):
        simulate("smoke", agent, 3)
    simulate("smoke", AgentPolicy(Model(), training_seeds=range(3, 8), allow_training_seeds=True), 3)
    simulate("smoke", agent, 8)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.zip", b"PK", "a .zip file of stable-baselines3 holds code"),
        ("a.txt", b"", "must end in '.onnx', '.npz', '.pt', '.pth' or '.zip'"),
        ("a.npz", b"no", "no arrays"),
        ("none.npz", None, "cannot be read: No such file"),
    ],
)
def test_files_that_are_no_agent_are_refused(tmp_path, name, content, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MecsimError, match=told):
        load_network(tmp_path / name)


def test_pickled_objects_in_a_file_of_arrays_are_not_made(tmp_path):
    np.savez(tmp_path / "a.npz", **{"0.weight": np.array([{}], dtype=object)})
    with pytest.raises(MecsimError, match="no arrays"):
        load_network(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({}, "no layer"),
        ({"0.weight": np.eye(2)}, "a weight"),
        (
            {"0.weight": np.eye(2), "0.bias": np.ones(2), "1.weight": np.eye(3), "1.bias": np.ones(3)},
            "has 2 outputs",
        ),
    ],
)
def test_tensors_that_are_no_network_are_refused(tensors, told):
    with pytest.raises(MecsimError, match=told):
        Mlp(tensors)


def test_layers_have_tanh_between_them_and_the_last_one_is_the_head():
    rng = np.random.default_rng(1)
    first, last = rng.normal(size=(3, 2)), rng.normal(size=(2, 3))
    network = Mlp({
        "action_net.weight": last, "action_net.bias": np.ones(2),
        "mlp_extractor.policy_net.0.weight": first, "mlp_extractor.policy_net.0.bias": np.ones(3),
        "value_net.weight": np.ones((1, 3)),
    })  # fmt: skip
    np.testing.assert_allclose(network.predict([1, 2]), last @ np.tanh(first @ [1, 2] + 1) + 1)


def test_models_that_predict_nonsense_fail_with_a_clear_error():
    class Wrong:
        def predict(self, observation):
            return np.full(8, np.nan)

    with pytest.raises(MecsimError, match="must be a file, or have predict"):
        AgentPolicy(3)
    with pytest.raises(MecsimError, match="did you mean 'dict'"):
        AgentPolicy(Wrong(), observation="dic")
    with pytest.raises(MecsimError, match="did you mean 'full'"):
        AgentPolicy(Wrong(), form="ful")
    with pytest.raises(InvalidAllocation, match=r"action\[0\] = nan: must be a finite number"):
        simulate("smoke", AgentPolicy(Wrong()), 1)
