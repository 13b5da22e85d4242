"""Instance files: what is read is what stands there, and what is written is read back to the bit."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from mecsim import Instance, load_instance
from mecsim.errors import InstanceError
from mecsim.system.devices import Servers, Users
from mecsim.system.instance_file import instance_to_json
from mecsim.system.objective import Objective

INSTANCES = Path(__file__).resolve().parents[1] / "data" / "instances"
SMALL = json.loads((INSTANCES / "n6m2.json").read_text("utf-8"))
FILES = ["n6m2", "n10m2", "n20m3", "n8m3-mixed"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_it_stands(name):
    data = json.loads((INSTANCES / f"{name}.json").read_text("utf-8"))
    instance = load_instance(INSTANCES / f"{name}.json")
    assert instance.name == data["name"] == name
    assert instance.gain.tolist() == data["gain"]
    assert instance.noise_w_per_hz == data["noise_w_per_hz"]
    assert instance.weights.delay_per_s == data["weights"]["delay_per_s"]
    assert instance.score_law.slope == data["score"]["slope"]
    for key, kind in (("users", Users), ("servers", Servers)):
        for field in fields(kind):
            column = getattr(getattr(instance, key), field.name)
            assert column.tolist() == [row.get(field.name, 1.0) for row in data[key]]


def test_what_may_be_left_out(tmp_path):
    path = tmp_path / "bare.json"
    optional = ("name", "bits_per_param", "weights", "score")
    path.write_text(json.dumps({key: value for key, value in SMALL.items() if key not in optional}), "utf-8")
    instance = load_instance(str(path))
    assert instance.name == "bare"
    assert instance.bits_per_param == 32.0
    assert instance.weights.energy_per_j == 0.005


def bits(instance):
    """Everything in an instance, to the bit."""
    groups = [getattr(instance, key) for key in ("users", "servers", "weights", "score_law")]
    parts = [getattr(group, field.name) for group in groups for field in fields(group)]
    parts += [instance.gain, instance.noise_w_per_hz, instance.bits_per_param]
    return [np.asarray(part, dtype=np.float64).tobytes() for part in parts], instance.name


@pytest.mark.parametrize("name", FILES)
def test_writing_and_reading_gives_the_same_bits(name, tmp_path):
    instance = load_instance(INSTANCES / f"{name}.json")
    (tmp_path / "again.json").write_text(instance_to_json(instance), "utf-8")
    assert bits(load_instance(tmp_path / "again.json")) == bits(instance)


def test_awkward_numbers_keep_their_bits(tmp_path):
    """Numbers that a format with a fixed number of digits would change; mutant, `%.15g`."""
    rng = np.random.default_rng(1)
    users = Users(*(10.0 ** rng.uniform(-10, 10, 5) for _ in fields(Users)[:-1]), rng.random(5))
    servers = Servers(*(rng.random(3) + 0.1 for _ in fields(Servers)))
    gain = np.concatenate([10.0 ** rng.uniform(-300, 0, 12), [0.0, 5e-324, 1.0 / 3.0]]).reshape(5, 3)
    instance = Instance(users, servers, gain, np.nextafter(4e-21, 1.0), name="Übung „1“")
    path = tmp_path / "again.json"
    path.write_text(instance_to_json(instance), "utf-8")
    assert bits(load_instance(path)) == bits(instance)
    rounded = json.loads(path.read_text("utf-8"), parse_float=lambda text: float(f"{float(text):.15g}"))
    assert rounded["gain"] != gain.tolist()


def test_gains_of_one_way_and_mean_rates_are_written_and_read(tmp_path):
    path = tmp_path / "both.json"
    plain = load_instance(INSTANCES / "n6m2.json")
    share = np.linspace(0.1, 0.9, 12).reshape(6, 2)
    written = replace(plain, ergodic=True, downlink_share=share)
    path.write_text(instance_to_json(written), "utf-8")
    read = load_instance(path)
    assert read.ergodic is True
    assert np.array_equal(read.downlink_gain, plain.gain * share)
    assert not {"ergodic", "downlink_share"} & set(json.loads(instance_to_json(plain)))


@pytest.mark.parametrize("delay", ["max", "mean"])
def test_an_objective_is_written_and_read(tmp_path, delay):
    """To the bit; the paper's is left out, so files from before are the same."""
    path, plain = tmp_path / "weighted.json", load_instance(INSTANCES / "n6m2.json")
    written = replace(plain, objective=Objective(delay, np.linspace(0.0, 1.0 / 3.0, 6), np.arange(6.0)))
    path.write_text(instance_to_json(written), "utf-8")
    read = load_instance(path).objective
    assert read.delay == delay
    for name in ("delay_weight", "energy_weight"):
        assert getattr(read, name).tobytes() == getattr(written.objective, name).tobytes()
    assert "objective" not in json.loads(instance_to_json(plain))
    for same in ({}, {"delay": "max"}, {"users": [{}] * 6}):
        path.write_text(json.dumps(SMALL | {"objective": same}), "utf-8")
        assert load_instance(path).objective is None
    path.write_text(json.dumps(SMALL | {"objective": {"delay": "mean"}}), "utf-8")
    assert load_instance(path).objective.delay_weight.tolist() == [1.0] * 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"delay": "median"}, "objective.delay = \"median\": must be 'max' or 'mean'"),
        (
            {"users": [{"delay_weight": -1}] * 6},
            "objective.users[0].delay_weight = -1: must be a number >= 0",
        ),
        ({"users": [{"weight": 1}] * 6}, "objective.users[0].weight = 1: unknown key"),
        ({"delay": "mean", "users": [{}]}, "objective.delay_weight: the shape is (1,), must be (6,)"),
    ],
)
def test_wrong_objectives(tmp_path, change, said):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(SMALL | {"objective": change}), "utf-8")
    with pytest.raises(InstanceError, match=re.escape(said)):
        load_instance(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ergodic": 1}, "ergodic = 1: must be true or false"),
        ({"downlink_share": [[1.0, 1.0]]}, "downlink_share: the shape is (1, 2), must be (6, 2)"),
        ({"downlink_share": [[-1, 1]] * 6}, "downlink_share[0][0] = -1: must be a number >= 0"),
        ({"downlink_share": 3}, "downlink_share = 3: must be a list of lists of numbers"),
    ],
)
def test_wrong_gains_of_one_way(tmp_path, change, said):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(SMALL | change), "utf-8")
    with pytest.raises(InstanceError, match=re.escape(said)):
        load_instance(path)
