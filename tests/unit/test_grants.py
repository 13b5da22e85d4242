"""Allocations and grants of some users among all of them."""

import numpy as np

from mecsim.engine.grants import Grants, select_users
from mecsim.system.allocation import Allocation


def allocation_of(users):
    """Return an allocation that tells by its numbers whose they are."""
    users = np.array(users)
    return Allocation(users % 3, *(users / 100 + k for k in range(6)))


def test_each_user_is_given_its_own_part_and_newcomers_nothing():
    found = select_users(allocation_of([2, 5, 7]), np.array([2, 5, 7]), np.array([1, 2, 6, 7, 9]))
    assert found.server.tolist() == [-1, 2, -1, 1, -1]
    for k, column in enumerate(found.columns):
        assert column.tolist() == [0.0, 0.02 + k, 0.0, 0.07 + k, 0.0]


def test_newcomers_alone_have_nothing():
    found = select_users(allocation_of([2, 5]), np.array([2, 5]), np.array([6, 7]))
    assert found.server.tolist() == [-1, -1]
    assert not any(column.any() for column in found.columns)


def test_grants_of_some_leave_those_of_the_others():
    everybody = Grants.none(4)
    some = Grants(*([float(k), k + 0.5] for k in range(8)))
    found = some.put([1, 3], everybody)
    assert found.columns == [[none, float(k), none, k + 0.5] for k, none in enumerate([-1, *[0.0] * 7])]
    assert everybody.columns == Grants.none(4).columns
