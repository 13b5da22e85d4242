"""Whatever stands in an instance file: an Instance, or an InstanceError that says what is wrong (P1, P2)."""

import copy
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim import Instance, load_instance
from mecsim.errors import InstanceError
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.instance_file import instance_to_json

# The file of one example is gone before the next one is written: sharing the folder does no harm.
LAW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SMALL = json.loads(
    (Path(__file__).resolve().parents[1] / "data" / "instances" / "n6m2.json").read_text("utf-8")
)
TEXT = json.dumps(SMALL)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.sampled_from(["schema", "users", "servers", "gain", "weights", "score", "kappa", "epochs", "name"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def loaded(path, content):
    """What loading says; anything but an instance or an InstanceError fails the test that asks."""
    path.write_bytes(content)
    try:
        return load_instance(path)
    except InstanceError as error:
        return error


def check(answer, path):
    """An instance is one that can be worked with; an error names the file and is not empty."""
    if isinstance(answer, Instance):
        assert answer.gain.shape == (answer.user_count, answer.server_count)
        assert np.isfinite(answer.gain).all()
        for group in (answer.users, answer.servers):
            for field in fields(group):
                assert (getattr(group, field.name) > 0.0).all()
    else:
        assert answer.problems
        assert all(problem.startswith(str(path)) for problem in answer.problems)


def places(value, path=()):
    """The path of every value in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, step))


PLACES = [path for path in places(SMALL) if path]


def mutated(data, path, action, value):
    """``data`` with one value replaced, dropped, or joined by another."""
    table = data
    for step in path[:-1]:
        if not isinstance(table, dict | list) or (isinstance(table, list) and not table):
            return
        table = table[step % len(table)] if isinstance(table, list) else table.get(step)
    if isinstance(table, list) and table:
        index = path[-1] % len(table) if isinstance(path[-1], int) else 0
        {"replace": lambda: table.__setitem__(index, value), "drop": lambda: table.pop(index)}.get(
            action, lambda: table.insert(index, value)
        )()
    elif isinstance(table, dict):
        {"replace": lambda: table.update({path[-1]: value}), "drop": lambda: table.pop(path[-1], None)}.get(
            action, lambda: table.update({f"{path[-1]}_": value})
        )()


@LAW
@given(data=st.data())
def test_any_change_of_a_good_file(data, tmp_path):
    changed = copy.deepcopy(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(PLACES))
        action = data.draw(st.sampled_from(["replace", "drop", "add"]))
        mutated(changed, path, action, data.draw(VALUES))
    file = tmp_path / "changed.json"
    check(loaded(file, json.dumps(changed).encode()), file)


@LAW
@given(value=VALUES)
def test_any_json_value(value, tmp_path):
    file = tmp_path / "value.json"
    answer = loaded(file, json.dumps(value).encode())
    check(answer, file)
    assert isinstance(answer, InstanceError)


@LAW
@given(
    content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes(content, tmp_path):
    file = tmp_path / "bytes.json"
    answer = loaded(file, content)
    check(answer, file)
    assert isinstance(answer, InstanceError)


@LAW
@given(data=st.data())
def test_a_cut_or_a_broken_byte(data, tmp_path):
    """A file cut anywhere is refused; one with a flipped byte may still be read, and is then checked."""
    cut = data.draw(st.integers(0, len(TEXT) - 1))
    file = tmp_path / "cut.json"
    assert isinstance(loaded(file, TEXT[:cut].encode()), InstanceError)
    broken = bytearray(TEXT.encode())
    broken[cut] = data.draw(st.integers(0, 255))
    check(loaded(file, bytes(broken)), file)


def test_a_reader_without_checks_would_not_do(tmp_path):
    """The mutant: what plain `json` and the arrays make of a NaN, a text or a list is not an instance."""
    for path, value in ((("gain", 0, 0), float("nan")), (("users", 0, "kappa"), "x"), (("gain",), [])):
        data = copy.deepcopy(SMALL)
        mutated(data, path, "replace", value)
        with pytest.raises((AssertionError, ValueError, TypeError)):
            check(_unchecked(json.loads(json.dumps(data))), tmp_path)


def _unchecked(data):
    class Unchecked(Instance):
        def __post_init__(self):
            object.__setattr__(self, "gain", np.asarray(self.gain, dtype=float))

    groups = {
        key: kind(**{name: [row[name] for row in data[key]] for name in data[key][0]})
        for key, kind in (("users", Users), ("servers", Servers))
    }
    return Unchecked(gain=data["gain"], noise_w_per_hz=data["noise_w_per_hz"], **groups)


# --- round trip


def columns(size):
    return st.lists(st.floats(1e-9, 1e9), min_size=size, max_size=size)


def fractions(size):
    return st.none() | st.lists(st.floats(0.0, 1.0), min_size=size, max_size=size)


@LAW
@given(data=st.data())
def test_any_instance_is_read_back_to_the_bit(data, tmp_path):
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    weight = st.floats(1e-9, 1e9)
    instance = Instance(
        users=Users(*(data.draw(columns(n)) for _ in fields(Users)[:-1]), data.draw(fractions(n))),
        servers=Servers(*(data.draw(columns(m)) for _ in fields(Servers))),
        gain=data.draw(
            st.lists(
                st.lists(st.just(0.0) | st.floats(1e-20, 1.0), min_size=m, max_size=m), min_size=n, max_size=n
            )
        ),
        noise_w_per_hz=data.draw(st.floats(1e-25, 1.0)),
        bits_per_param=data.draw(st.floats(0.0, 1e6)),
        weights=Weights(data.draw(weight), data.draw(weight)),
        score_law=Score(data.draw(weight), data.draw(weight)),
        name=data.draw(st.text(st.characters(codec="utf-8"), max_size=12)),
    )
    file = tmp_path / "again.json"
    again = loaded(file, instance_to_json(instance).encode())
    assert isinstance(again, Instance)
    assert again.name == instance.name
    assert instance_to_json(again) == instance_to_json(instance)
    for one, other in ((again.users, instance.users), (again.servers, instance.servers)):
        for field in fields(one):
            assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()
    assert again.gain.tobytes() == instance.gain.tobytes()
    assert (again.weights, again.score_law) == (instance.weights, instance.score_law)
