"""The constraint matrix of the relaxation in small blocks: its pattern depends on N and M alone.

A user's variables are phi, x_m and phi x_m; T comes last. Each pair of a user and a server has a block of
order 3, with the rows (1, phi, x), (phi, phi, phi x) and (x, phi x, x).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import clarabel
import numpy as np
from scipy import sparse

from mecsim.system.arrays import Floats, Ints

_ROOT2 = float(np.sqrt(2.0))
_ORDER, _TRIANGLE = 3, 6


@dataclass(frozen=True, eq=False, slots=True)
class Pattern:
    """Rows, in this order: one association a user; delay <= T; slots; the PSD triangles.

    Parameters
    ----------
    users, servers : int
    template : sparse matrix
        The constraint matrix without the delays.
    delay_at : (N 2 M,) int
        Where the delays' coefficients are among the template's entries, user by user.
    sizes : tuple of int
        Equalities, inequalities, and rows of the triangles.
    """

    users: int
    servers: int
    template: sparse.csc_matrix
    delay_at: Ints
    sizes: tuple[int, int, int]

    @property
    def per_user(self) -> int:
        """Variables of one user."""
        return 1 + 2 * self.servers

    @property
    def x(self) -> slice:
        """Where x_m are among a user's variables."""
        return slice(1, 1 + self.servers)

    @property
    def phi_x(self) -> slice:
        """Where phi x_m are among a user's variables."""
        return slice(1 + self.servers, 1 + 2 * self.servers)

    def matrix(self, delay: Floats) -> sparse.csc_matrix:
        """Return the constraint matrix for delays (N, 2 M) of x_m and phi x_m."""
        data = self.template.data.copy()
        data[self.delay_at] = delay.ravel()
        return sparse.csc_matrix((data, self.template.indices, self.template.indptr), self.template.shape)

    def right(self, slots: Floats) -> Floats:
        """Return the right-hand side for slots (M,)."""
        equal, less, blocks = self.sizes
        right = np.zeros(equal + less + blocks)
        right[:equal] = 1.0
        right[equal + less - self.servers : equal + less] = slots
        right[equal + less :: _TRIANGLE] = 1.0
        return right

    def cones(self) -> list[object]:
        """Return the cones of the rows."""
        equal, less, blocks = self.sizes
        triangles = [clarabel.PSDTriangleConeT(_ORDER)] * (blocks // _TRIANGLE)
        return [clarabel.ZeroConeT(equal), clarabel.NonnegativeConeT(less), *triangles]


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
    per_user, less, blocks = 1 + 2 * servers, users + servers, _TRIANGLE * users * servers
    entries = _Entries()
    _put_rows(entries, users, servers, per_user)
    _put_triangles(entries, users, servers, per_user)
    # The delays' entries have no value yet: their place among all is what is needed.
    first = len(entries.values)
    for n in range(users):
        for k in range(2 * servers):
            entries.put(users + n, n * per_user + 1 + k, 0.0)
    count = len(entries.values)
    shape = (users + less + blocks, users * per_user + 1)
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
        sizes=(users, less, blocks),
    )


def _put_rows(entries: _Entries, users: int, servers: int, per_user: int) -> None:
    """Add the equalities and inequalities, without the delays."""
    longest = users * per_user
    for n in range(users):
        for m in range(servers):
            x = n * per_user + 1 + m
            entries.put(n, x, 1.0)
            entries.put(users + users + m, x, 1.0)
        entries.put(users + n, longest, -1.0)


def _put_triangles(entries: _Entries, users: int, servers: int, per_user: int) -> None:
    """Add the upper triangle of every pair's block, column by column; its first entry is the 1."""
    row = users + users + servers
    for n in range(users):
        phi = n * per_user
        for x in range(phi + 1, phi + 1 + servers):
            phi_x = x + servers
            for k, place in enumerate((phi, phi, x, phi_x, x), start=1):
                entries.put(row + k, place, -1.0 if k in (2, 5) else -_ROOT2)
            row += _TRIANGLE
