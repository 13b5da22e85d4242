"""Keys of the work of a round and of memory: what is accepted, what is refused, and what is said of it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from mecsim.cli import app
from mecsim.errors import ScenarioError
from mecsim.scenario.base_model import base_model, base_model_names
from mecsim.scenario.explain import explain
from mecsim.scenario.memory import needed_bytes
from mecsim.scenario.memory_report import memory_lines
from mecsim.scenario.schema import Scenario
from mecsim.world.world import World

LLAMA = {"workload.base_model": "llama-7b"}
GPU = {"peak_tflops": 20, "board_power_w": 300}


def card(memory_gb, name="mine"):
    return GPU | {"name": name, "memory_gb": memory_gb}


def instance_of(scenario):
    return World(scenario, 0).instance(0.0)


def refused(make_scenario, changes):
    with pytest.raises(ScenarioError) as caught:
        make_scenario(changes)
    return [problem.partition(": ")[2] for problem in caught.value.problems]


def test_the_work_of_llama_7b_in_times_of_the_papers(make_scenario):
    """S4. Mutants: the backward pass left out; 6 FLOP for frozen parameters."""
    paper = make_scenario({"workload.adapter_params": {"choice": [1.2e6, 14e6]}, "users.count": 40})
    for model in ("peft", "split"):
        large = paper.with_changes({"workload.model": model} | LLAMA)
        ratio = instance_of(large).work.local(1.0) / instance_of(paper).affine_work().local(1.0)
        params = instance_of(large).users.adapter_params
        assert set(np.rint(ratio[params < 2e6])) == {3745.0}
        assert set(np.rint(ratio[params > 2e6])) == {322.0}


def test_a_server_that_cannot_hold_its_model_is_refused_with_the_numbers(make_scenario):
    """S4: 27.0 GB do not fit into 8 GB. Mutant: the memory of all servers added up."""
    fp32 = LLAMA | {"workload.precision": "fp32", "workload.recompute": True, "servers.gpu_count": 1}
    (said,) = refused(make_scenario, fp32 | {"servers.gpu": [card(80), card(8, "GTX1080")]})
    assert said.startswith(
        "workload.base_model = 'llama-7b': must fit into every server: 27.5 GB (27 GB of weights in fp32, "
        "0.537 GB of activations, 0.016 GB for the trained parameters), but server 1 has 1 x 8 GB of GTX1080"
    ) or said.startswith('workload.base_model = "llama-7b"')
    assert "27 GB of weights in fp32" in said
    assert "server 1 has 1 x 8 GB of GTX1080" in said
    assert make_scenario(fp32 | {"servers.gpu": card(28)})
    assert make_scenario(fp32 | {"servers.gpu": GPU}), "what is not known bounds nothing"
    assert make_scenario(fp32 | {"servers.gpu": card(8), "servers.gpu_count": 4}), "the cards share the model"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workload.model": "peft"}, "workload.base_model: must be given with model = 'peft'"),
        ({"workload.model": "lora"}, "workload.model = \"lora\": must be 'adapter', 'peft' or 'split'"),
        ({"workload.base_model": "llama7b"}, "did you mean 'llama-7b'?"),
        ({"workload.base_model": {"params": 1e9}}, "workload.base_model.layers: missing"),
        ({"workload.batch_size": 8}, "workload.batch_size = 8: only with base_model"),
        ({"workload.precision": "int4"}, "only with base_model"),
        (LLAMA | {"workload.precision": "fp8"}, "workload.precision = \"fp8\": must be 'fp32', 'bf16'"),
        (LLAMA | {"workload.batch_size": 0}, "workload.batch_size = 0: must be a whole number >= 1"),
        (LLAMA | {"workload.bits_per_activation": 8}, "only with model = 'split'"),
        (
            LLAMA | {"workload.model": "split", "workload.share_data": False},
            "workload.share_data = false: must be true or left out",
        ),
        (
            LLAMA | {"workload.model": "split", "users.epochs": 2},
            "workload.model = \"split\": 'split' needs one number of epochs for users and servers",
        ),
        (
            {"workload.model": "split", "workload.base_model": {"params": 1e9, "layers": 1, "width": 1}},
            "workload.bits_per_activation = 16.0: must be >= 32",
        ),
    ],
)
def test_combinations_that_cannot_be_are_refused_by_their_key(make_scenario, changes, said):
    found = refused(make_scenario, changes)
    assert any(said in problem for problem in found), found


def test_a_scenario_without_these_keys_has_the_hash_it_had(make_scenario):
    """Results that were made before the keys existed are found again. Mutant: defaults in the hash."""
    plain = make_scenario()
    assert "share_data" not in plain.model_dump(mode="json", by_alias=True, exclude_none=True)["workload"]
    defaults = {"workload.model": "adapter", "workload.batch_size": 4, "workload.precision": "bf16"}
    assert plain.with_changes(defaults).sha256 == plain.sha256
    seen = {plain.sha256}
    for changes in (
        {"workload.share_data": True},
        LLAMA,
        LLAMA | {"workload.batch_size": 2},
        LLAMA | {"workload.precision": "int4"},
        LLAMA | {"users.gpu": card(24)},
        LLAMA | {"users.gpu": card(16)},
        LLAMA | {"workload.model": "peft"},
    ):
        changed = plain.with_changes(changes)
        assert Scenario.from_toml(changed.to_toml()).sha256 == changed.sha256
        seen.add(changed.sha256)
    assert len(seen) == 8


def test_the_bound_of_phi_by_hand(make_scenario):
    """Mutants: one card's memory for four; activations forgotten; the model in halves for `peft`."""
    base = {"params": 1e9, "layers": 10, "width": 1000}
    common = {"workload.base_model": base, "users.gpu_count": 2, "workload.adapter_params": 1e8}
    weights, activations, trained = 2e9, 34 * 4 * 512 * 10 * 1000, 16 * 1e8

    def bound(memory_gb, **changes):
        scenario = make_scenario(common | changes | {"users.gpu": card(memory_gb)})
        return instance_of(scenario).users.local_fraction_max

    split = {"workload.model": "split"}
    assert bound(1, **split) == pytest.approx(2e9 / (weights + activations + trained))
    assert bound(3, **split) == pytest.approx(1.0)
    assert bound(1.5, **{"workload.model": "peft"}) == pytest.approx((3e9 - weights - activations) / trained)
    assert bound(1.0) == pytest.approx(0.0), "the adapter alone trains through all of the model as well"
    again = bound(1.2, **{"workload.recompute": True})
    assert again == pytest.approx((2.4e9 - weights - activations / 17) / trained)
    assert needed_bytes(make_scenario(common).workload, 1e8) == weights + activations + trained


def test_adapters_of_every_round_are_bounded_by_the_largest(make_scenario):
    """A round that would not fit though the decision did. Mutant: the first round's adapter."""
    base = {"params": 1e9, "layers": 1, "width": 10}
    drawn = {"workload.adapter_params": {"choice": [1e6, 1e8], "per": "round"}, "workload.base_model": base}
    scenario = make_scenario(drawn | {"users.gpu": card(3.0), "users.gpu_count": 1})
    world = World(scenario, 0)
    bounds = {tuple(world.workload.users(np.full(3, k)).local_fraction_max) for k in range(5)}
    assert bounds == {((3e9 - 2e9 - 34 * 2048 * 10) / 1.6e9,) * 3}


def test_explain_and_validate_say_what_fits_where(make_scenario, tmp_path):
    said = explain("llama-7b")
    assert said.startswith("llama-7b: 6.74e+09 parameters, 32 layers of width 4096 (Touvron")
    assert "fp32: 27 GB of weights" in said
    assert explain("workload.base_model").count("llama-7b") >= 2
    changes = LLAMA | {"workload.model": "split", "servers.gpu": card(80, "big"), "users.gpu_count": 1}
    scenario = make_scenario(changes | {"users.gpu": [card(8, "small"), card(80, "big"), GPU]})
    lines = memory_lines(scenario)
    assert lines[0] == "llama-7b in bf16: 13.5 GB of weights, 9.13 GB of activations of 4 x 512 tokens"
    assert lines[1] == "servers with 8 x big (80 GB): all of it"
    assert lines[2].startswith("users with 1 x small (8 GB): phi up to 0.35")
    assert lines[3:] == [
        "users with 1 x big (80 GB): all of it",
        "users with 1 x custom (memory not known): no bound",
    ]
    assert memory_lines(make_scenario()) == []
    path = tmp_path / "s.toml"
    path.write_text(scenario.to_toml(), "utf-8")
    shown = CliRunner().invoke(app, ["validate", str(path)])
    assert shown.exit_code == 0
    assert "memory: llama-7b in bf16" in shown.output


def test_the_catalogue_of_base_models():
    for name in base_model_names():
        model = base_model(name)
        assert model.name == name
        assert model.source
        assert 1e8 < model.params < 1e12
