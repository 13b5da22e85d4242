"""Actions as one vector of numbers from -1 to 1, for learners that know neither mappings nor mixed spaces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import InvalidAllocation
from mecsim.rl.actions import ActionCode


class FlatActionCode:
    """Translates between actions of a form and vectors.

    A vector begins with (slots, servers) preferences, of which the highest of a slot says its server, the
    first of equal ones. Each share of the form follows with (slots,) numbers: -1 is a share of 0, and 1 of 1.

    Parameters
    ----------
    code : ActionCode
    """

    def __init__(self, code: ActionCode) -> None:
        self._code = code
        self.size = code.slots * (code.servers + len(code.shares))

    def action(self, vector: Any) -> Any:
        """Return the action of a vector; shares from beyond -1 and 1 are cut off.

        Raises
        ------
        InvalidAllocation
            If it has another shape, or values that are not finite numbers.
        """
        try:
            given = np.asarray(vector)
        except ValueError as error:  # rows of several lengths
            raise InvalidAllocation("action: must be an array of numbers") from error
        if given.dtype.kind not in "iuf":
            raise InvalidAllocation(f"action = array of {given.dtype}: must be an array of numbers")
        values = given.astype(np.float64)
        if values.shape != (self.size,):
            raise InvalidAllocation(
                f"action = array of shape {values.shape}: the shape must be {(self.size,)}, preferences of "
                f"slots x servers{''.join(f', {name} of slots' for name in self._code.shares)}"
            )
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise InvalidAllocation(f"action[{wrong[0]}] = {values[wrong[0]]}: must be a finite number")
        slots, chosen = self._code.slots, self._code.slots * self._code.servers
        server = values[:chosen].reshape(slots, -1).argmax(axis=1)
        if not self._code.shares:
            return server
        shares = np.clip((1.0 + values[chosen:].reshape(-1, slots)) / 2.0, 0.0, 1.0)
        return {"server": server, **dict(zip(self._code.shares, shares, strict=True))}

    def vector(self, action: Any) -> NDArray[np.float32]:
        """Return the vector of an action, to the precision of its type."""
        parts = action if self._code.shares else {"server": action}
        preferences = np.where(np.arange(self._code.servers) == parts["server"][:, None], 1.0, -1.0)
        shares = [2.0 * parts[name] - 1.0 for name in self._code.shares]
        return np.concatenate([preferences.ravel(), *shares]).astype(np.float32)
