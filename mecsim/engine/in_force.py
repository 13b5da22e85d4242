"""The allocation in force, and the grants that follow from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mecsim.engine.grants import Grants, changed_users, select_users
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance


class InForce:
    """What every user may use now. Only :meth:`replace` changes it.

    ``allocation`` is None before the first decision; it is that of ``users``, increasing. ``grants``
    are those of everybody.

    Parameters
    ----------
    user_count : int
    """

    def __init__(self, user_count: int) -> None:
        self.allocation: Allocation | None = None
        self.grants = Grants.none(user_count)
        self.users: Ints = np.arange(user_count)
        self.user_ids: Sequence[int] = range(user_count)

    def changes(self, allocation: Allocation, users: Ints | None) -> list[int]:
        """Return the users whose grants another allocation would change."""
        old = self.allocation
        if users is None:
            return changed_users(old, allocation)
        old = None if old is None else select_users(old, self.users, users)
        return [int(users[k]) for k in changed_users(old, allocation)]

    def replace(self, allocation: Allocation, instance: Instance, users: Ints | None) -> None:
        """Put an allocation in force, made for ``users`` and an instance of them; None for everybody."""
        grants = Grants.of(allocation, instance)
        if users is not None:
            grants = grants.put(users.tolist(), self.grants)
            self.users, self.user_ids = users, users.tolist()
        self.allocation, self.grants = allocation, grants
