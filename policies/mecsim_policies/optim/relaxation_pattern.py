"""The constraint matrix of the relaxation in small blocks: its pattern depends on N and M alone.

A user's variables are phi, phi^2, x_m, phi x_m, and x_m x_m' for m < m'; T comes last. They are the
entries of its block of order M + 2, whose first row is (1, phi, x).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import clarabel
import numpy as np
from scipy import sparse

from mecsim.system.arrays import Floats, Ints

_ROOT2 = float(np.sqrt(2.0))


@dataclass(frozen=True, eq=False, slots=True)
class Pattern:
    """Rows, in this order: one association a user; phi^2 <= phi; delay <= T; slots; the PSD triangles.

    Parameters
    ----------
    users, servers : int
    template : sparse matrix
        The constraint matrix without the delays.
    delay_at : (N 2 M,) int
        Where the delays' coefficients are among the template's entries, user by user.
    sizes : tuple of int
        Equalities, inequalities, and entries of one triangle.
    """

    users: int
    servers: int
    template: sparse.csc_matrix
    delay_at: Ints
    sizes: tuple[int, int, int]

    @property
    def per_user(self) -> int:
        """Variables of one user."""
        m = self.servers
        return 2 + 2 * m + m * (m - 1) // 2

    @property
    def x(self) -> slice:
        """Where x_m are among a user's variables."""
        return slice(2, 2 + self.servers)

    @property
    def phi_x(self) -> slice:
        """Where phi x_m are among a user's variables."""
        return slice(2 + self.servers, 2 + 2 * self.servers)

    def matrix(self, delay: Floats) -> sparse.csc_matrix:
        """Return the constraint matrix for delays (N, 2 M) of x_m and phi x_m."""
        data = self.template.data.copy()
        data[self.delay_at] = delay.ravel()
        return sparse.csc_matrix((data, self.template.indices, self.template.indptr), self.template.shape)

    def right(self, slots: Floats) -> Floats:
        """Return the right-hand side for slots (M,)."""
        equal, less, triangle = self.sizes
        right = np.zeros(equal + less + triangle * self.users)
        right[:equal] = 1.0
        right[equal + less - self.servers : equal + less] = slots
        right[equal + less :: triangle] = 1.0
        return right

    def cones(self) -> list[object]:
        """Return the cones of the rows."""
        equal, less, _ = self.sizes
        block = clarabel.PSDTriangleConeT(self.servers + 2)
        return [clarabel.ZeroConeT(equal), clarabel.NonnegativeConeT(less), *[block] * self.users]


@dataclass(eq=False, slots=True)
class _Entries:
    """Entries of a sparse matrix under construction."""

    rows: list[int] = field(default_factory=list)
    cols: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def put(self, row: int, col: int, value: float) -> None:
        self.rows.append(row)
        self.cols.append(col)
        self.values.append(value)


@lru_cache(maxsize=32)
def pattern_of(users: int, servers: int) -> Pattern:
    """Return the pattern for N users and M servers, made once."""
    order = servers + 2
    per_user = 2 + 2 * servers + servers * (servers - 1) // 2
    triangle = order * (order + 1) // 2
    less = 2 * users + servers
    entries = _Entries()
    _put_rows(entries, users, servers, per_user)
    _put_triangles(entries, users, servers, per_user)
    # The delays' entries have no value yet: their place among all is what is needed.
    first = len(entries.values)
    for n in range(users):
        for k in range(2 * servers):
            entries.put(2 * users + n, n * per_user + 2 + k, 0.0)
    count = len(entries.values)
    shape = (users + less + users * triangle, users * per_user + 1)
    numbers = np.arange(1.0, count + 1.0)
    order_of = sparse.csc_matrix((numbers, (entries.rows, entries.cols)), shape=shape)
    came_from = order_of.data.astype(np.int64) - 1
    place = np.empty(count, dtype=np.int64)
    place[came_from] = np.arange(count)
    values = np.array(entries.values)[came_from]
    return Pattern(
        users=users,
        servers=servers,
        template=sparse.csc_matrix((values, order_of.indices, order_of.indptr), shape=shape),
        delay_at=place[first:],
        sizes=(users, less, triangle),
    )


def _put_rows(entries: _Entries, users: int, servers: int, per_user: int) -> None:
    """Add the equalities and inequalities, without the delays."""
    longest = users * per_user
    for n in range(users):
        at = n * per_user
        for m in range(servers):
            entries.put(n, at + 2 + m, 1.0)
            entries.put(users + 2 * users + m, at + 2 + m, 1.0)
        entries.put(users + n, at + 1, 1.0)
        entries.put(users + n, at, -1.0)
        entries.put(users + users + n, longest, -1.0)


def _put_triangles(entries: _Entries, users: int, servers: int, per_user: int) -> None:
    """Add the upper triangle of every user's block, column by column."""
    order, place = servers + 2, _places(servers)
    first = users + 2 * users + servers
    for n in range(users):
        row = first + n * (order * (order + 1) // 2)
        for j in range(order):
            for i in range(j + 1):
                if (i, j) != (0, 0):
                    at = row + j * (j + 1) // 2 + i
                    entries.put(at, n * per_user + place[i, j], -1.0 if i == j else -_ROOT2)


def _places(servers: int) -> dict[tuple[int, int], int]:
    """Return where the entry (i, j) of a block, i <= j, is among the user's variables."""
    places: dict[tuple[int, int], int] = {(0, 1): 0, (1, 1): 1}
    for m in range(servers):
        places[0, 2 + m] = places[2 + m, 2 + m] = 2 + m
        places[1, 2 + m] = 2 + servers + m
    pair = 2 + 2 * servers
    for m in range(servers):
        for other in range(m + 1, servers):
            places[2 + m, 2 + other] = pair
            pair += 1
    return places
