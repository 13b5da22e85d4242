"""Actions: arrays by slot that decode to feasible allocations, and the action that an allocation is.

Three forms, each with the parts of the one before:

``association``
    ``server``, a server for each slot. Users keep their full power and speed, servers share equally, and
    every user trains the same share of its adapter.
``ratio``
    Also ``local_fraction``, the share of the adapter that each user trains.
``full``
    Also ``bandwidth``, ``user_power``, ``server_power``, ``user_gpu`` and ``server_gpu``: shares of the
    budgets. Those of a server's budget are divided by their sum over its users where that is above 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from mecsim.errors import InvalidAllocation
from mecsim.policy import Observation
from mecsim.rl.options import check_choice, check_count, check_fraction
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.devices import Users
from mecsim.system.equal_split import equal_split
from mecsim.system.instance import Instance
from mecsim.system.resources import GRANTS, GrantSpec

Form = Literal["association", "ratio", "full"]
FORMS: tuple[Form, ...] = get_args(Form)
GRANT_PARTS = {grant.field.rpartition("_")[0]: grant for grant in GRANTS}
"""The grants by the names that actions use, without units."""


@dataclass(frozen=True, slots=True)
class ActionCode:
    """Translates between actions of a form and allocations.

    Parameters
    ----------
    form : {"association", "ratio", "full"}
    slots, servers : int
        How many of each there are.
    local_fraction : float
        What users train themselves where the action does not say: in ``association``, and users without slot.

    Raises
    ------
    MecsimError
        If there is no such form, no slot, or the fraction is not from 0 to 1.
    """

    form: Form
    slots: int
    servers: int
    local_fraction: float = 0.5

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)
        check_count("slots", self.slots)
        check_fraction("local_fraction", self.local_fraction)

    @property
    def shares(self) -> tuple[str, ...]:
        """Names of the parts that are shares from 0 to 1, each (slots,)."""
        return {
            "association": (),
            "ratio": ("local_fraction",),
            "full": ("local_fraction", *GRANT_PARTS),
        }[self.form]

    def decode(self, action: Any, observation: Observation, slot: Ints) -> Allocation:
        """Return the allocation that an action is for the users of an observation.

        Pinned users stay where they are, and what the slots of nobody hold does not matter. A user without a
        slot joins its strongest server, with an equal part of it.

        Parameters
        ----------
        action : array or mapping of arrays
        observation : Observation
        slot : (N,) int
            Slot of each user, -1 for none.

        Raises
        ------
        InvalidAllocation
            If the action has other parts or shapes, or values that are not numbers in range.
        """
        server, shares = self._checked(action)
        instance, seated = observation.instance, slot >= 0
        chosen: Ints = server[slot]
        if not seated.all():
            chosen = np.where(seated, chosen, instance.gain.argmax(axis=1))
        if observation.allocation is not None and observation.pinned.any():
            chosen = np.where(observation.pinned, observation.allocation.server, chosen)
        if self.form == "association":
            return equal_split(instance, chosen, self.local_fraction)
        fraction = np.where(seated, shares["local_fraction"][slot], self.local_fraction)
        if self.form == "ratio":
            return equal_split(instance, chosen, fraction)
        return self._granted(instance, chosen, fraction, shares, slot)

    def encode(self, allocation: Allocation, observation: Observation, slot: Ints) -> Any:
        """Return the action that an allocation of the users of an observation is, as far as the form can say.

        Slots of nobody hold server 0 and shares of 0.
        """
        server = np.zeros(self.slots, dtype=np.int64)
        seated = slot >= 0
        server[slot[seated]] = allocation.server[seated]
        if self.form == "association":
            return server
        found: dict[str, Any] = {"server": server}
        for name in self.shares:
            values = allocation.local_fraction
            if name in GRANT_PARTS:
                grant = GRANT_PARTS[name]
                granted = getattr(allocation, grant.field)
                budget = _budget(grant, observation.instance, allocation.server)
                values = np.divide(granted, budget, out=np.zeros(len(granted)), where=budget > 0)
            found[name] = np.zeros(self.slots)
            found[name][slot[seated]] = np.clip(values[seated], 0.0, 1.0)
        return found

    def _granted(
        self, instance: Instance, server: Ints, fraction: Floats, shares: Mapping[str, Floats], slot: Ints
    ) -> Allocation:
        users, seated = instance.users, slot >= 0
        load = np.bincount(server, minlength=self.servers)
        fraction = np.minimum(fraction, users.local_fraction_max)
        granted = {}
        for name, grant in GRANT_PARTS.items():
            share = shares[name][slot]
            if not seated.all():
                share = np.where(seated, share, 1.0 if grant.owner == "user" else 1.0 / load[server])
            if grant.owner == "server":
                used = np.bincount(server, weights=share, minlength=self.servers)
                share = share / np.maximum(1.0, used)[server]
            granted[grant.field] = share * _budget(grant, instance, server)
        if instance.power is not None:
            least = np.where(fraction > 0, instance.power.users.min_gpu_flops, 0.0)
            granted["user_gpu_flops"] = np.maximum(granted["user_gpu_flops"], least)
        return Allocation(server=server, local_fraction=fraction, **granted)

    def _checked(self, action: Any) -> tuple[Ints, dict[str, Floats]]:
        """Return servers (slots,) and shares by name; refuse what is not an action of the form."""
        parts = {"server": action} if self.form == "association" else action
        expected = ("server", *self.shares)
        if not isinstance(parts, Mapping) or set(parts) != set(expected):
            given = sorted(map(str, parts)) if isinstance(parts, Mapping) else type(action).__name__
            raise InvalidAllocation(f"action = {given}: must be a mapping with {', '.join(expected)}")
        server = self._array("server", parts["server"], "iu")
        wrong = np.flatnonzero((server < 0) | (server >= self.servers))
        if len(wrong):
            raise InvalidAllocation(
                f"action server[{wrong[0]}] = {server[wrong[0]]}: must be a server, 0 to {self.servers - 1}"
            )
        shares = {name: self._array(name, parts[name], "iuf") for name in self.shares}
        for name, values in shares.items():
            wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
            if len(wrong):
                raise InvalidAllocation(
                    f"action {name}[{wrong[0]}] = {values[wrong[0]]}: must be a number from 0 to 1"
                )
        return server.astype(np.int64), {name: values.astype(np.float64) for name, values in shares.items()}

    def _array(self, name: str, given: Any, kinds: str) -> Any:
        try:
            array = np.asarray(given)
        except ValueError as error:
            raise InvalidAllocation(f"action {name}: must be an array of numbers") from error
        if array.dtype.kind not in kinds:
            numbers = "whole numbers" if kinds == "iu" else "numbers"
            raise InvalidAllocation(f"action {name} = array of {array.dtype}: must be an array of {numbers}")
        if array.shape != (self.slots,):
            raise InvalidAllocation(
                f"action {name} = array of shape {array.shape}: the shape must be {(self.slots,)}"
            )
        return array


def _budget(grant: GrantSpec, instance: Instance, server: Ints) -> Floats:
    """Return the budget that each user's grant is a share of, (N,)."""
    owner: Users | Any = instance.users if grant.owner == "user" else instance.servers
    budget: Floats = getattr(owner, grant.budget)
    return budget if grant.owner == "user" else budget[server]
