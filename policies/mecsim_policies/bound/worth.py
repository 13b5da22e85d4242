"""What one more unit of each server's budgets is worth, and whose delay holds the others back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.instance import Instance
from mecsim_policies.bound.dual import Multipliers, Value
from mecsim_policies.optim.weights import counts_mean


@dataclass(frozen=True, eq=False, slots=True)
class Worth:
    """Derivatives of the upper bound, and the prices behind it.

    The score counts shares of a server's own budget, so more of it makes every share smaller as well: the
    price of a share is not what the budget is worth.

    Parameters
    ----------
    per_hz, per_w, per_flops : (M,) float
        SCR for one more Hz of band, W of transmit power, FLOP/s of each GPU.
    share_price : (M, 3) float
        Score that all of the band, power and GPU of a server costs those who share it.
    delay_weight : (N,) float
        How much of the price of the delay that counts is due to each user; the sum is 1.
    """

    per_hz: Floats
    per_w: Floats
    per_flops: Floats
    share_price: Floats
    delay_weight: Floats

    def __post_init__(self) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @classmethod
    def of(cls, instance: Instance, server: Ints, multipliers: Multipliers, value: Value) -> Worth:
        """Return the worth at some prices, where alternatives at these servers (K,) have a dual value."""
        s, answers = instance.servers, value.answers
        marginal = value.weight * answers.sigma
        earned = [np.bincount(server, marginal * share, instance.server_count) for share in answers.share.T]
        per_share = (multipliers.share_price - np.stack(earned, axis=1)) / -value.by_y
        budgets = (s.bandwidth_hz, s.max_power_w, s.max_gpu_flops)
        band, power, gpu = (per_share[:, k] / budget for k, budget in enumerate(budgets))
        price = multipliers.share_price * instance.score_law.scale
        users = len(multipliers.delay_weight)
        delay_weight = np.full(users, 1.0 / users) if counts_mean(instance) else multipliers.delay_weight
        return cls(band, power, gpu, price, delay_weight)
