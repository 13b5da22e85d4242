"""Instances made in Python: what they keep, and every array they refuse."""

import dataclasses
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from mecsim import Allocation, Instance
from mecsim.errors import InstanceError
from mecsim.system.devices import Score, Servers, Users, Weights

USERS = {
    "adapter_params": [1e6, 2e6, 3e6],
    "flops_per_param": [5e6, 4e6, 3e6],
    "epochs": [1, 2, 1],
    "gpu_count": [4, 4, 2],
    "max_gpu_flops": [4e12, 5e12, 6e12],
    "kappa": [2e-37, 3e-37, 4e-37],
    "max_power_w": [0.2, 0.3, 0.4],
}
SERVERS = {
    "bandwidth_hz": [1e7, 2e7],
    "epochs": [1, 1],
    "gpu_count": [8, 4],
    "max_gpu_flops": [1e13, 2e13],
    "kappa": [5e-38, 6e-38],
    "max_power_w": [10.0, 20.0],
}
GAIN = [[1e-11, 2e-11], [3e-11, 4e-11], [5e-11, 6e-11]]


def instance(**changes):
    fields = {"users": Users(**USERS), "servers": Servers(**SERVERS), "gain": GAIN, "noise_w_per_hz": 4e-21}
    return Instance(**fields | changes)


def problems_of(make):
    with pytest.raises(InstanceError) as caught:
        make()
    return caught.value.problems


def test_what_it_keeps():
    made = instance(name="three")
    assert (made.user_count, made.server_count, made.name) == (3, 2, "three")
    assert made.users.max_power_w.tolist() == USERS["max_power_w"]
    assert made.servers.bandwidth_hz.tolist() == SERVERS["bandwidth_hz"]
    assert made.gain.tolist() == GAIN


def test_the_defaults_are_those_of_the_paper():
    made = instance()
    assert (made.weights.delay_per_s, made.weights.energy_per_j) == (0.5, 0.005)
    assert made.bits_per_param == 32.0
    assert made.score_law.scale == pytest.approx(1000.0 / math.log(2.0), rel=1e-15)
    assert made.score_law.slope == pytest.approx(1.0 / 3.0, rel=1e-15)


def test_arrays_are_copies_and_read_only():
    """Mutant: the caller's array is kept, and the instance changes under the policy's feet."""
    gain, power = np.array(GAIN), np.array(USERS["max_power_w"])
    made = instance(gain=gain, users=Users(**USERS | {"max_power_w": power}))
    gain[0, 0], power[0] = 1.0, 99.0
    assert made.gain[0, 0] == 1e-11
    assert made.users.max_power_w[0] == 0.2
    groups = [
        getattr(group, name)
        for group, names in ((made.users, USERS), (made.servers, SERVERS))
        for name in names
    ]
    for array in [made.gain, *groups]:
        assert array.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.gain = gain


def test_a_gain_in_another_memory_order_is_the_same():
    made = instance(gain=np.asfortranarray(GAIN))
    assert made.gain.flags.c_contiguous
    assert np.array_equal(made.gain, GAIN)


def test_it_survives_pickling():
    made = instance()
    copy = pickle.loads(pickle.dumps(made))
    allocation = Allocation([0, 1, 1], [0.5] * 3, [1e6] * 3, [0.1] * 3, [1.0] * 3, [1e12] * 3, [1e12] * 3)
    assert copy.scr(allocation) == made.scr(allocation) > 0.0
    assert np.array_equal(copy.gain, made.gain)


@pytest.mark.parametrize("group", [(Users, USERS), (Servers, SERVERS)], ids=["users", "servers"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_devices_need_finite_numbers_above_zero(group, value):
    kind, columns = group
    for name in columns:
        wrong = columns | {name: [value, *columns[name][1:]]}
        problem = f"{kind.__name__.lower()}[0].{name} = {float(value)}: must be a finite number > 0"
        assert problems_of(lambda wrong=wrong: kind(**wrong)) == (problem,)


def test_every_bad_device_is_named():
    wrong = USERS | {"kappa": [-1.0, 2e-37, 0.0], "epochs": [1, 1], "max_power_w": [0.2, math.nan, 0.4]}
    assert problems_of(lambda: Users(**wrong)) == (
        "users.epochs: the shape is (2,), must be (3,)",
        "users[0].kappa = -1.0: must be a finite number > 0",
        "users[2].kappa = 0.0: must be a finite number > 0",
        "users[1].max_power_w = nan: must be a finite number > 0",
    )


@pytest.mark.parametrize("value", [5.0, [[1.0, 2.0]]], ids=["one number", "a table"])
def test_devices_are_lists(value):
    assert problems_of(lambda: Servers(**SERVERS | {"kappa": value}))


def test_somebody_must_be_there():
    for kind, columns in ((Users, USERS), (Servers, SERVERS)):
        assert "at least one" in problems_of(lambda k=kind, c=columns: k(**{name: [] for name in c}))[0]


@pytest.mark.parametrize(
    "gain",
    [GAIN[:2], np.transpose(GAIN), [1e-11] * 6, 1e-11, np.zeros((3, 2, 1))],
    ids=lambda gain: str(np.shape(gain)),
)
def test_the_gain_has_a_row_a_user_and_a_column_a_server(gain):
    assert problems_of(lambda: instance(gain=gain)) == (
        f"gain: the shape is {np.shape(gain)}, must be (3, 2)",
    )


@pytest.mark.parametrize("value", [-1e-12, math.nan, math.inf])
def test_gains_are_finite_and_not_negative(value):
    wrong = [GAIN[0], [GAIN[1][0], value], GAIN[2]]
    assert problems_of(lambda: instance(gain=wrong)) == (
        f"gain[1][1] = {value}: must be a finite number >= 0",
    )
    assert instance(gain=np.zeros((3, 2))).gain.sum() == 0.0


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_noise_and_word_length(value):
    found = problems_of(lambda: instance(noise_w_per_hz=value, bits_per_param=value, gain=[[1.0]]))
    assert [problem.split(":")[0].split(" ")[0] for problem in found] == [
        "gain",
        "noise_w_per_hz",
        "bits_per_param",
    ]
    assert f"{value}: must be a finite number > 0" in found[1]
    assert f"{value}: must be a finite number >= 0" in found[2]


def test_noise_is_above_zero_and_a_word_may_have_no_bits():
    assert problems_of(lambda: instance(noise_w_per_hz=0.0))
    assert instance(bits_per_param=0.0).bits_per_param == 0.0


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("weights", "delay_per_s"),
        ("weights", "energy_per_j"),
        ("score_law", "scale"),
        ("score_law", "slope"),
    ],
)
def test_weights_and_score_are_finite_and_not_negative(field, key, value):
    """As in a scenario: a negative slope makes a score NaN, a negative weight a ratio that prefers delay."""
    wrong = replace(Weights() if field == "weights" else Score(), **{key: value})
    assert any(key in problem for problem in problems_of(lambda: instance(**{field: wrong})))


def test_something_must_have_a_weight():
    assert problems_of(lambda: instance(weights=Weights(0.0, 0.0)))


def test_an_error_names_its_source_and_survives_pickling():
    with pytest.raises(InstanceError) as caught:
        instance(name="mine", noise_w_per_hz=-1.0)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.source == "mine"
    assert error.problems == caught.value.problems
    assert str(error) == "noise_w_per_hz = -1.0: must be a finite number > 0"
