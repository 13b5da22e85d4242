"""Allocations: frozen copies, and the judge that names every broken constraint."""

import dataclasses
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mecsim import Allocation, load_instance
from mecsim.errors import InvalidAllocation
from mecsim.system.allocation import TOLERANCE

INSTANCE = load_instance(Path(__file__).resolve().parents[1] / "data" / "instances" / "n8m3-mixed.json")
N, M = INSTANCE.user_count, INSTANCE.server_count
NAMES = [field.name for field in dataclasses.fields(Allocation)]
COLUMNS = NAMES[1:]
SERVERS = [0, 1, 2, 0, 1, 2, 0, 1]
# What is bounded by a user's own budget, and what by the sum over the users of a server.
OWN = {"local_fraction": 1.0, "user_power_w": "max_power_w", "user_gpu_flops": "max_gpu_flops"}
SHARED = {
    "bandwidth_hz": "bandwidth_hz",
    "server_power_w": "max_power_w",
    "server_gpu_flops": "max_gpu_flops",
}


def feasible():
    """Everything at its bound: full power and speed, budgets used up, phi = 1."""
    server = np.array(SERVERS)
    sharers = np.bincount(server)[server]
    s, u = INSTANCE.servers, INSTANCE.users
    return Allocation(
        server=server,
        local_fraction=np.ones(N),
        bandwidth_hz=s.bandwidth_hz[server] / sharers,
        user_power_w=u.max_power_w,
        server_power_w=s.max_power_w[server] / sharers,
        user_gpu_flops=u.max_gpu_flops,
        server_gpu_flops=s.max_gpu_flops[server] / sharers,
    )


def with_value(name, user, value):
    column = getattr(feasible(), name).copy()
    column[user] = value
    return replace(feasible(), **{name: column})


def only_violation(allocation):
    found = allocation.violations(INSTANCE)
    assert len(found) == 1, [str(violation) for violation in found]
    return found[0]


def own_bound(name, user):
    return OWN[name] if name == "local_fraction" else getattr(INSTANCE.users, OWN[name])[user]


# --- the value object


def test_arrays_are_copies_and_read_only():
    given = np.full(N, 0.5)
    allocation = replace(feasible(), local_fraction=given)
    given[0] = 0.9
    assert (allocation.local_fraction == 0.5).all()
    for name in NAMES:
        array = getattr(allocation, name)
        assert array.dtype == (np.int64 if name == "server" else np.float64)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        allocation.server = np.zeros(N)


def test_a_view_of_a_writable_array_is_copied():
    """A read-only view is no promise: its owner can still write."""
    owner = np.full(N, 0.5)
    view = owner[:]
    view.flags.writeable = False
    allocation = replace(feasible(), local_fraction=view)
    owner[0] = 0.9
    assert allocation.local_fraction[0] == 0.5


def test_lists_and_other_number_types_are_taken():
    allocation = Allocation(
        [0.0, 2.0], [0, 1], (1, 2), np.float32([0.5, 0.25]), np.array([1, 2], dtype=np.uint8), [3, 4], [5, 6]
    )
    assert allocation.server.tolist() == [0, 2]
    assert allocation.local_fraction.tolist() == [0.0, 1.0]
    assert allocation.user_power_w.tolist() == [0.5, 0.25]


def test_columns_come_in_the_order_of_the_class():
    allocation = feasible()
    assert len(allocation.columns) == len(COLUMNS)
    assert all(
        column is getattr(allocation, name) for column, name in zip(allocation.columns, COLUMNS, strict=True)
    )


def test_it_survives_pickling():
    copy = pickle.loads(pickle.dumps(feasible()))
    assert all(np.array_equal(getattr(copy, name), getattr(feasible(), name)) for name in NAMES)
    assert not copy.violations(INSTANCE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value",
    ["many", ["a"] * N, [[1.0], [1.0, 2.0]], {"a": 1}, object(), ["0.5"] * N, ["1"] * N, [1j] * N],
    ids=["word", "words", "ragged", "dict", "object", "digits in words", "whole ones", "complex"],
)
def test_what_is_no_array_of_numbers_is_refused_by_name_and_value(name, value):
    with pytest.raises(InvalidAllocation, match=f"^{name} = .*numbers"):
        replace(feasible(), **{name: value})


@pytest.mark.parametrize("name", ["server", *COLUMNS])
def test_nothing_for_an_array_is_refused(name):
    with pytest.raises(InvalidAllocation, match=f"^{name} = None"):
        replace(feasible(), **{name: None})


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, 2.0**70, -0.1])
@pytest.mark.parametrize("kind", [list, np.array], ids=["list", "array"])
def test_a_server_is_a_whole_number(value, kind):
    with pytest.raises(InvalidAllocation, match=r"^server = .*whole numbers"):
        replace(feasible(), server=kind([value] + [0.0] * (N - 1)))


def test_complex_numbers_do_not_lose_their_imaginary_part():
    with pytest.raises(InvalidAllocation, match="user_power_w"):
        replace(feasible(), user_power_w=np.full(N, 0.1 + 0.1j))


# --- the judge


def test_budgets_used_up_to_the_last_are_fine():
    assert feasible().violations(INSTANCE) == ()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(N - 1,), (N + 1,), (), (N, 1), (0,)])
def test_a_wrong_shape(name, shape):
    violation = only_violation(replace(feasible(), **{name: np.zeros(shape)}))
    assert (violation.field, violation.where, violation.excess) == (name, "all users", math.inf)
    assert str(violation) == (f"{name} of all users = array of shape {shape}: the shape must be {(N,)}")


def test_every_wrong_shape_is_named():
    wrong = replace(feasible(), server=[0], bandwidth_hz=[1.0])
    assert [violation.field for violation in wrong.violations(INSTANCE)] == ["server", "bandwidth_hz"]


@pytest.mark.parametrize("server", [-1, M, 1000, -(2**40)])
def test_an_unknown_server(server):
    violation = only_violation(with_value("server", 5, server))
    assert (violation.field, violation.where, violation.value) == ("server", "user 5", server)
    assert str(violation) == f"server of user 5 = {server}: must be a server, 0 to {M - 1}"


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite(name, value):
    violation = only_violation(with_value(name, 3, value))
    assert (violation.field, violation.where) == (name, "user 3")
    assert str(violation) == f"{name} of user 3 = {value}: must be a finite number"
    assert violation.excess == math.inf


@pytest.mark.parametrize("name", COLUMNS)
def test_a_negative_number(name):
    value = -0.5 if name == "local_fraction" else -float(getattr(feasible(), name)[3])
    violation = only_violation(with_value(name, 3, value))
    assert (violation.field, violation.where, violation.value) == (name, "user 3", value)
    assert str(violation).endswith("must be >= 0")
    assert violation.excess > 0.0


@pytest.mark.parametrize("name", OWN)
def test_more_than_a_user_has(name):
    bound = own_bound(name, 3)
    violation = only_violation(with_value(name, 3, 1.25 * bound))
    assert (violation.field, violation.where) == (name, "user 3")
    assert violation.excess == pytest.approx(0.25, rel=1e-12)
    assert f"must be <= {bound:.9g}" in str(violation)


@pytest.mark.parametrize("name", SHARED)
def test_more_than_a_server_has(name):
    """Server 1 gives half as much again to one of its three users."""
    value = 1.5 * getattr(feasible(), name)[4]
    violation = only_violation(with_value(name, 4, value))
    budget = getattr(INSTANCE.servers, SHARED[name])[1]
    assert (violation.field, violation.where) == (name, "server 1")
    assert violation.value == pytest.approx(budget * (1.0 + 0.5 / 3.0), rel=1e-12)
    assert violation.excess == pytest.approx(0.5 / 3.0, rel=1e-9)
    assert str(violation).endswith(f"the sum over its users must be <= {budget:.9g}")


@pytest.mark.parametrize("name", COLUMNS)
def test_just_inside_and_just_outside_the_tolerance(name):
    """1e-6 relative: 0.9e-6 passes, 1.1e-6 does not."""
    column = getattr(feasible(), name)
    inside, outside = (
        replace(feasible(), **{name: column * (1.0 + part * TOLERANCE)}) for part in (0.9, 1.1)
    )
    assert inside.violations(INSTANCE) == ()
    found = outside.violations(INSTANCE)
    assert len(found) == (N if name in OWN else M)
    assert all(violation.excess == pytest.approx(1.1e-6, rel=1e-3) for violation in found)


@pytest.mark.parametrize("name", OWN)
def test_just_below_zero(name):
    bound = own_bound(name, 2)
    assert with_value(name, 2, -0.9e-6 * bound).violations(INSTANCE) == ()
    assert with_value(name, 2, -1.1e-6 * bound).violations(INSTANCE)


def test_the_tolerance_can_be_chosen():
    over = with_value("user_power_w", 0, 1.001 * INSTANCE.users.max_power_w[0])
    assert over.violations(INSTANCE, tolerance=1e-2) == ()
    assert len(over.violations(INSTANCE, tolerance=1e-4)) == 1


def test_a_small_excess_of_many_users_adds_up():
    """Each user within its share, the server not: a check user by user would pass it."""
    crowded = replace(feasible(), server=np.zeros(N, dtype=int))
    fields = {violation.field for violation in crowded.violations(INSTANCE)}
    assert fields == set(SHARED)


def test_every_broken_constraint_is_returned():
    """A user's own bound, a NaN and the budgets of all servers, broken together, are all there."""
    wrong = with_value("local_fraction", 0, 2.0)
    wrong = replace(wrong, server_power_w=feasible().server_power_w * 2.0)
    wrong = replace(wrong, user_power_w=[math.nan, *INSTANCE.users.max_power_w[1:]])
    found = wrong.violations(INSTANCE)
    assert {violation.field for violation in found} == {"local_fraction", "user_power_w", "server_power_w"}
    assert len(found) == 2 + M


def test_grants_of_zero_are_allowed():
    for name in COLUMNS:
        assert replace(feasible(), **{name: np.zeros(N)}).violations(INSTANCE) == ()
