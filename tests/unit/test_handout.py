"""What a policy gets is a copy, and a change of it is found; arrays of values cannot be made writable."""

import ctypes
import dataclasses

import numpy as np
import pytest

from mecsim.engine.answer import own_answer, plain_number
from mecsim.engine.global_generators import GlobalGenerators
from mecsim.engine.handout import changed_fields, handed_out
from mecsim.foreign_code import described, one_line, place_of, shown
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.arrays import frozen
from mecsim.testing.snapshots import draw_instance, mid_round

INSTANCE = draw_instance(5, 6, 2)
BEFORE = make_policy("nearest").allocate(Observation.of(INSTANCE))
OWN = mid_round(INSTANCE, BEFORE, np.zeros(6))


def leaves(value, path="observation"):
    if isinstance(value, np.ndarray):
        yield path, value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}")


PATHS = [path for path, _ in leaves(OWN)]


def test_every_array_is_a_read_only_copy():
    handed = dict(leaves(handed_out(OWN)))
    assert len(PATHS) > 25
    for path, own in leaves(OWN):
        copy = handed[path]
        assert type(copy) is np.ndarray
        assert (copy.tobytes(), copy.dtype, copy.shape) == (own.tobytes(), own.dtype, own.shape)
        assert not np.shares_memory(copy, own)
        assert copy.base is None
        assert not copy.flags.writeable
    assert list(changed_fields(OWN, handed_out(OWN), "observation")) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_change_of_any_array_is_found_by_name(path):
    handed = handed_out(OWN)
    array = dict(leaves(handed))[path]
    ctypes.memset(array.ctypes.data, ord("x"), 1)
    assert list(changed_fields(OWN, handed, "observation")) == [path]


class Equal:
    def __eq__(self, other):
        return True

    __hash__ = None


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (["time_s"], OWN.time_s + 1),
        (["time_s"], Equal()),
        (["instance", "name"], "other"),
        (["instance", "weights", "delay_per_s"], 1.0),
        (["instance", "users"], None),
        (["allocation"], None),
        (["phase"], OWN.phase.astype(np.int64)),
        (["phase"], OWN.phase[:-1]),
        (["pinned"], np.broadcast_to(False, 1 << 40)),
    ],
)
def test_a_field_that_was_replaced_is_found(names, value):
    target = handed = handed_out(OWN)
    for name in names[:-1]:
        target = getattr(target, name)
    object.__setattr__(target, names[-1], value)
    (found,) = changed_fields(OWN, handed, "observation")
    assert found == ".".join(["observation", *names])


def test_an_array_of_a_value_cannot_be_made_writable():
    for path, array in leaves(OWN):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
        assert frozen(array, array.dtype.type) is array, path


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize(
    "given",
    [np.arange(3.0), np.arange(3.0).view(Sub), np.arange(6.0)[::2], [0, 1, 2], np.arange(3.0)[:0]],
    ids=["plain", "subclass", "strided", "list", "empty"],
)
def test_frozen_shares_no_memory_with_what_it_was_given(given):
    """Mutant: a read-only array is kept, and its owner lifts the flag."""
    if isinstance(given, np.ndarray):
        given.flags.writeable = False
    array = frozen(given)
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, given)
    assert not np.shares_memory(array, given)


def test_an_answer_is_copied():
    copy = own_answer(BEFORE, 6)
    for path, array in leaves(copy):
        assert not np.shares_memory(array, dict(leaves(BEFORE))[path])


class Lying(float):
    def __float__(self):
        return 1e9

    __add__ = __pos__ = __mul__ = __float__


@pytest.mark.parametrize(
    ("shown_as", "plain"),
    [
        (Lying(2.5), 2.5),
        (True, 1),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.longdouble(2), 2.0),
        ("1", None),
    ],
)
def test_a_number_is_read_as_a_plain_one(shown_as, plain):
    found = plain_number(shown_as)
    assert found == plain
    assert type(found) in (int, float, type(None))


def test_an_exception_is_described_with_the_innermost_line_of_the_user():
    with pytest.raises(AttributeError) as caught:
        make_policy("nearest").allocate(None)
    assert "test_handout.py:" in place_of(caught.value)
    assert described(caught.value).startswith("AttributeError: 'NoneType' object has no attribute")
    assert place_of(ValueError()) == ""
    assert described(ValueError("two\nlines\x1b[2J" + "x" * 10**6)).isprintable()
    assert len(described(ValueError("x" * 10**6))) < 400
    assert one_line("a\ud800b\u202ec") == r"a\ud800b\u202ec"
    assert shown(10**10_000) == "something of type int"


@pytest.mark.parametrize("draw", ["rand", "seed", "set_state"])
def test_a_look_sees_each_draw_and_putting_back_undoes_it(draw):
    generators, before = GlobalGenerators(), np.random.get_state()  # noqa: NPY002
    assert generators.look() == ()
    {"rand": np.random.rand, "seed": lambda: np.random.seed(3)}.get(  # noqa: NPY002
        draw,
        lambda: np.random.set_state(np.random.RandomState(1).get_state()),  # noqa: NPY002
    )()
    assert generators.look() == ("numpy",)
    assert generators.look() == ()
    generators.put_back(("numpy",))
    assert repr(np.random.get_state()) == repr(before)  # noqa: NPY002
