"""Doubts about a scenario before it is run, and what a decision asks of radio and GPUs."""

import dataclasses
import json

import numpy as np
import pytest

from mecsim import Observation, load_scenario, make_policy
from mecsim.analysis.plausibility import SPECTRAL_EFFICIENCY, KnownRange, base_of, doubts, median_efficiencies
from mecsim.analysis.report.decision_values import (
    Decision,
    gpu_values,
    memory_values,
    radio_values,
    work_values,
)
from mecsim.cli import main
from mecsim.world.world import World

SOUND = {
    "servers.gpu_utilisation": 1.0,
    "users.gpu_utilisation": 1.0,
    "servers.max_power_w": 1e-3,
    "users.max_power_w": 1e-4,
    "workload.flops_per_param_and_token": 600,
}
DOUBTED = {
    "servers.max_power_w": "half of the area has more than 12.4 bit/s/Hz on the downlink",
    "users.max_power_w": "half of the area has more than",
    "servers.gpu_utilisation": "servers: a GPU at its top speed draws 0.17 of its board power",
    "users.gpu_utilisation": "users: a GPU at its top speed draws 0.17 of its board power",
    "workload.flops_per_param_and_token": "the mean adapter takes 4.6e+07 FLOP a token, less than",
}


@pytest.fixture(scope="module")
def paper():
    return load_scenario("paper")


def test_a_sound_scenario_has_no_doubts(paper):
    assert doubts(paper.with_changes(SOUND)) == []


@pytest.mark.parametrize(("key", "line"), DOUBTED.items())
def test_each_value_alone_is_doubted_with_the_key_that_mends_it(paper, key, line):
    """Mutants: a limit turned round, or the limit of another quantity."""
    change = {key: 10.0} if key == "users.max_power_w" else {}
    changes = {name: value for name, value in SOUND.items() if name != key} | change
    (doubt,) = doubts(paper.with_changes(changes))
    assert doubt.startswith(line)
    assert doubt.endswith(("channel.rate = 'nr-256qam'", "s.gpu_power = 'board'", "workload.model = 'peft'"))


def test_a_class_with_a_power_law_of_its_own_is_doubted_by_its_name(paper):
    """Mutant: only the law of all users looked at."""
    classes = [{"name": "phone", "share": 1.0, "gpu_power": "cubic", "gpu_utilisation": 0.5}]
    (doubt,) = doubts(paper.with_changes(SOUND | {"users.gpu_power": "board", "users.classes": classes}))
    assert doubt.startswith("users of class phone: a GPU at its top speed draws 0.12")


def test_median_efficiencies_of_a_channel_without_distance(paper):
    """Mutants: noise of the whole band for a share of it; the power of all users together."""
    flat = paper.with_changes(
        {
            "channel.path_loss": "log_distance",
            "channel.log_distance": {"exponent": 1e-3, "intercept_db": 100.0},
            "channel.shadowing.sigma_db": 0,
        }
    )
    up, down = median_efficiencies(flat)
    noise_w = 10 ** (-174 / 10 - 3) * 10e6
    assert down == pytest.approx(np.log2(1 + 1e-10 * 10 / noise_w), rel=1e-3)
    assert up == pytest.approx(np.log2(1 + 1e-10 * 0.2 / (noise_w / 5)), rel=1e-3)


def test_interference_is_not_judged_before_a_run(paper):
    changed = paper.with_changes({"channel.interference.model": "full_buffer"})
    assert not any("bit/s/Hz" in doubt for doubt in doubts(changed))


def test_ends_of_a_known_range_are_inside():
    """Mutant: comparison without tolerance, which refuses 0.2 W stored in single precision."""
    known = KnownRange(0.1, 0.2, "")
    assert not known.outside(np.array([0.1, 0.2], dtype=np.float32).astype(np.float64)).any()
    assert known.outside(np.array([0.0999, 0.2001])).all()


def test_validate_tells_the_doubts_and_accepts_the_scenario(capsys):
    assert main(["validate", "paper"]) == 0
    told = capsys.readouterr().out
    assert "  implausible: servers: a GPU at its top speed" in " ".join(told.split("\n"))
    assert main(["validate", "paper", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["implausible"]) == told.count("implausible: ")


def test_decision_values_by_hand(paper):
    """Mutants: one user's share of a server's GPU for that of all; phi left out of the tokens; the gain of
    another server; power of all GPUs over the board of one."""
    world = World(paper, 3)
    instance = world.instance(0.0)
    allocation = make_policy("gucaa:local_fraction=0.3").allocate(Observation.of(instance))
    decision = Decision(np.arange(10), instance, allocation)
    radio, gpu = radio_values(decision), work_values(decision, world) | gpu_values(decision, world)

    delay_s, d, phi = instance.costs(allocation).delay_s, instance.users.adapter_params, 0.3
    bits = np.array([phi * d * 32, (1 - phi) * d * 32])
    for bit, name, k in zip(bits, ("uplink_efficiency", "downlink_efficiency"), (1, 3), strict=True):
        np.testing.assert_allclose(radio[name], bit / delay_s[:, k] / allocation.bandwidth_hz)
    assert np.median(radio["downlink_efficiency"]) > SPECTRAL_EFFICIENCY.high
    np.testing.assert_allclose(radio["server_power_w"], [10, 10])
    np.testing.assert_allclose(gpu["flop_per_token"], 6 * d)
    np.testing.assert_allclose(gpu["user_tokens_per_s"], 0.55 * 8.873e12 / (6 * d))
    np.testing.assert_allclose(gpu["user_gpu_share"], 0.55**3)
    # Five users with a fifth of the speed each: eight A100 fully in use draw 21 W.
    np.testing.assert_allclose(gpu["server_gpu_share"], 5 * (0.55 / 5) ** 3)
    assert 8 * 400 * gpu["server_gpu_share"][0] == pytest.approx(21.3, abs=0.05)
    for m in (0, 1):
        tokens = (allocation.server_gpu_flops / (6 * d))[allocation.server == m].sum()
        assert gpu["server_tokens_per_s"][m] == pytest.approx(tokens)


def test_links_and_gpus_that_are_not_used_have_no_values(paper):
    world = World(paper, 3)
    instance = world.instance(0.0)
    allocation = make_policy("local_only").allocate(Observation.of(instance))
    decision = Decision(np.arange(10), instance, allocation)
    values = radio_values(decision) | work_values(decision, world) | gpu_values(decision, world)
    unused = {name for name, value in values.items() if len(value) == 0}
    assert unused == {"downlink_efficiency", "server_power_w", "server_tokens_per_s", "server_gpu_share"}
    assert all(np.isfinite(value).all() for value in values.values())


def test_work_is_compared_with_the_smallest_base_model(paper):
    assert str(base_of(paper)) == "bert-base, the smallest base model of the catalogue"
    assert base_of(paper).forward_flop == 2 * 110e6


@pytest.mark.parametrize("name", ["llm-campus", "llm-phones", "card"])
def test_the_scenarios_of_real_models_have_no_doubts(name):
    assert doubts(load_scenario(name)) == []


def test_of_the_capped_paper_only_the_work_is_doubted():
    """Mutants: the law of power, or that of rates, not looked at."""
    (doubt,) = doubts(load_scenario("paper-capped"))
    assert doubt.endswith("workload.model = 'peft'")


def test_a_base_model_of_the_scenario_goes_before_the_smallest_one(paper):
    named = paper.with_changes({"workload.base_model": "llama-7b"})
    assert (str(base_of(named)), base_of(named).forward_flop) == ("llama-7b", 2 * 6.74e9)


def test_busy_gpus_draw_their_board_power_with_the_idle_part(paper):
    """Mutants: the idle power left out (0.87 for an A100); the speed of each user cubed."""
    changes = {"users.gpu_power": "board", "servers.gpu_power": "shared"}
    world = World(paper.with_changes(changes), 3)
    instance = world.instance(0.0)
    allocation = make_policy("gucaa").allocate(Observation.of(instance))
    shares = gpu_values(Decision(np.arange(10), instance, allocation), world)
    np.testing.assert_allclose(shares["user_gpu_share"], 1.0)
    np.testing.assert_allclose(shares["server_gpu_share"], 1.0)


def test_memory_by_hand():
    """Mutants: activations left out; all of the model counted for a part; users with phi = 0 counted."""
    world = World(load_scenario("llm-phones"), 3)
    instance = world.instance(0.0)
    phi = np.minimum(np.arange(12) / 40, instance.users.local_fraction_max)
    allocation = make_policy("gucaa").allocate(Observation.of(instance))
    decision = Decision(np.arange(12), instance, dataclasses.replace(allocation, local_fraction=phi))
    whole = 1.1e9 * 2 + 34 * 4 * 512 * 22 * 2048 + 16 * 1126400
    has = np.where(instance.users.local_fraction_max > 0.5, 4e9, 2e9)
    values = memory_values(decision, world)
    np.testing.assert_allclose(values["user_memory"], (phi * whole / has)[1:])
    np.testing.assert_allclose(values["server_memory"], whole / 24e9)
